"""Queues as an operator sees them: how full they are, and emptying one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from aiormq.abc import DeliveredMessage

from . import control, topology, transitions
from .backlog import Backlogs
from .client import Client
from .errors import BrokerRefusedLogin, BrokerUnavailable, QueueNotFound
from .flow import Flow
from .limits import QueueRules
from .messages import Foreign, Malformed, Message, decode
from .taking import Allowance, at_full_speed, one_pass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueState:
    """One work queue: messages that are ready, consumers, letters in its dead queue, what operators have
    set for it, how many jobs have a place, where places are limited, and the rest as Backlog says."""

    name: str
    ready: int
    consumers: int
    dead: int
    paused: bool = False
    rate: str | None = None
    max_in_flight: int | None = None
    in_flight: int | None = None
    unacked: int = 0
    delayed: int = 0
    oldest: float | None = None
    submitted: float = 0.0
    ended: float = 0.0


@dataclass(slots=True)
class PurgeReport:
    """What a purge removed: jobs that were revoked, and messages that were no waiting job."""

    queue: str
    revoked: int = 0
    dropped: int = 0
    kept: int = 0
    """Second copies of jobs that run: they may be the only ones to survive their worker. Revoked parts of
    workflows: workers carry the workflow on. And what is not signed as it must be: it says nothing of the
    job that it names, and workers dead-letter it."""


class Queues:
    """Looks at and empties the work queues of a namespace."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names = topology.Names(client.settings.namespace)
        self._flow = Flow(client.settings, client.store)
        self._backlogs = Backlogs(client.settings, client.store)

    async def state(self, queue: str) -> QueueState:
        """One queue. Raises QueueNotFound, QueueNameError, BrokerUnavailable, StoreUnavailable."""
        [state] = await self._with_backlogs([await self._state(queue, await self._flow.rules())])
        return state

    async def _state(self, queue: str, rules: Mapping[str, QueueRules]) -> QueueState:
        topology.check_queue_name(queue, self._client.settings.namespace)
        found = await self._client.publisher.depth(queue)
        if found is None:
            raise QueueNotFound(queue=queue)
        dead = await self._client.publisher.depth(self._names.dead_queue(queue))
        rule = rules.get(queue, QueueRules())
        in_flight = (await self._flow.usage([f"queue:{queue}"]))[0] if rule.limited else None
        return QueueState(
            queue,
            found.message_count or 0,
            found.consumer_count or 0,
            (dead.message_count or 0) if dead else 0,
            rule.paused,
            rule.rate,
            rule.max_in_flight,
            in_flight,
        )

    async def states(self, queues: Iterable[str]) -> list[QueueState]:
        """These queues, without those that do not exist."""
        states, rules = [], await self._flow.rules()
        for queue in queues:
            try:
                states.append(await self._state(queue, rules))
            except QueueNotFound:
                continue
        return await self._with_backlogs(states)

    async def _with_backlogs(self, states: list[QueueState]) -> list[QueueState]:
        ready = {state.name: state.ready for state in states}
        found = await self._backlogs.of(ready, self._client.clock())
        return [replace(state, **asdict(found[state.name])) for state in states]

    async def pause(self, queue: str) -> QueueState:
        """Let no job of a queue begin, on any worker; what runs goes on. Raises as state()."""
        return await self._set(queue, paused=1)

    async def resume(self, queue: str) -> QueueState:
        """The end of a pause. Raises as state()."""
        return await self._set(queue, paused=None)

    async def limit(self, queue: str, rate: str | None, max_in_flight: int | None) -> QueueState:
        """What all workers together may do at most with the jobs of a queue; None is no limit. Raises
        ConfigurationError, and as state()."""
        QueueRules(rate=rate, max_in_flight=max_in_flight)
        return await self._set(queue, rate=rate, max_in_flight=max_in_flight)

    async def _set(self, queue: str, **wanted: str | int | None) -> QueueState:
        await self._state(queue, {})  # only of one that exists
        await self._flow.set(queue, **wanted)
        try:
            await self._client.publisher.tell_workers(control.look_at_queues([queue]))
        except (BrokerUnavailable, BrokerRefusedLogin) as error:
            log.info("workers notice on their next beat what was set for %s: %s", queue, error)
        return await self.state(queue)

    async def purge(
        self, queue: str, allowed: Allowance = at_full_speed, report: PurgeReport | None = None
    ) -> PurgeReport:
        """Remove what waits in a queue now, as far as that is `allowed`. Each job is consumed and its
        record becomes REVOKED, which the broker's own purge would not do; workers may go on meanwhile. A
        `report` that is given says how far it came, whatever ends it.
        Raises QueueNotFound, QueueBusy, BrokerUnavailable, StoreUnavailable."""
        topology.check_queue_name(queue, self._client.settings.namespace)
        report = report or PurgeReport(queue)
        publisher, settings = self._client.publisher, self._client.settings
        async with one_pass(publisher, settings, queue, alone=False) as one:
            async for group in one.groups(allowed):
                found = [self._read(message, queue) for message in group]
                jobs = [job for job in found if isinstance(job, Message)]
                answers = await self._revoke(jobs, queue)
                keep = []
                for delivered, job in zip(group, found, strict=True):
                    answer = answers.get(id(job), b"missing")
                    if isinstance(job, Malformed) and job.unsigned is not None:
                        answer = b"unchanged"
                    member = isinstance(job, Message) and job.workflow
                    if answer == b"unchanged" or (answer == b"revoked" and member):
                        keep.append(delivered)
                    report.revoked += answer == b"revoked"
                    report.dropped += answer not in (b"revoked", b"unchanged")
                report.kept += len(keep)
                await one.settle(group, keep)
        return report

    def _read(self, delivered: DeliveredMessage, queue: str) -> Message | Foreign | Malformed:
        found, seal = decode(delivered.header.properties, delivered.body), self._client.seal
        return found if seal is None else seal.check(found, queue)

    async def _revoke(self, jobs: list[Message], queue: str) -> dict[int, bytes]:
        ttl, now = self._client.settings.dedupe_ttl, self._client.clock()
        moves = [transitions.revoke(job, now, "purged", ttl, queue) for job in jobs]
        replies = await self._client.store.apply(moves) if moves else []
        return {id(job): reply[0] for job, reply in zip(jobs, replies, strict=True)}
