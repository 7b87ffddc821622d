"""Queues as an operator sees them: how full they are, and emptying one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiormq.abc import DeliveredMessage

from . import topology, transitions
from .client import Client
from .errors import QueueNotFound
from .messages import Foreign, Malformed, Message, decode
from .taking import one_pass


@dataclass(frozen=True, slots=True)
class QueueState:
    """One work queue: messages that are ready, consumers, and letters in its dead queue."""

    name: str
    ready: int
    consumers: int
    dead: int


@dataclass(slots=True)
class PurgeReport:
    """What a purge removed: jobs that were revoked, and messages that were no waiting job."""

    queue: str
    revoked: int = 0
    dropped: int = 0
    kept: int = 0
    """Second copies of jobs that run: they may be the only ones to survive their worker. And what is not
    signed as it must be: it says nothing of the job that it names, and workers dead-letter it."""


class Queues:
    """Looks at and empties the work queues of a namespace."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names = topology.Names(client.settings.namespace)

    async def state(self, queue: str) -> QueueState:
        """One queue. Raises QueueNotFound, QueueNameError, BrokerUnavailable."""
        topology.check_queue_name(queue, self._client.settings.namespace)
        found = await self._client.publisher.depth(queue)
        if found is None:
            raise QueueNotFound(queue=queue)
        dead = await self._client.publisher.depth(self._names.dead_queue(queue))
        return QueueState(
            queue,
            found.message_count or 0,
            found.consumer_count or 0,
            (dead.message_count or 0) if dead else 0,
        )

    async def states(self, queues: Iterable[str]) -> list[QueueState]:
        """These queues, without those that do not exist."""
        states = []
        for queue in queues:
            try:
                states.append(await self.state(queue))
            except QueueNotFound:
                continue
        return states

    async def purge(self, queue: str) -> PurgeReport:
        """Remove what waits in a queue now. Each job is consumed and its record becomes REVOKED, which
        the broker's own purge would not do; workers may go on meanwhile. Raises QueueNotFound,
        BrokerUnavailable, StoreUnavailable."""
        topology.check_queue_name(queue, self._client.settings.namespace)
        report = PurgeReport(queue)
        publisher, settings = self._client.publisher, self._client.settings
        async with one_pass(publisher, settings, queue, alone=False) as one:
            async for group in one.groups():
                found = [self._read(message, queue) for message in group]
                jobs = [job for job in found if isinstance(job, Message)]
                answers = await self._revoke(jobs)
                keep = []
                for delivered, job in zip(group, found, strict=True):
                    answer = answers.get(id(job), b"missing")
                    if isinstance(job, Malformed) and job.unsigned is not None:
                        answer = b"unchanged"
                    if answer == b"unchanged":
                        keep.append(delivered)
                    report.revoked += answer == b"revoked"
                    report.dropped += answer not in (b"revoked", b"unchanged")
                report.kept += len(keep)
                await one.settle(group, keep)
        return report

    def _read(self, delivered: DeliveredMessage, queue: str) -> Message | Foreign | Malformed:
        found, seal = decode(delivered.header.properties, delivered.body), self._client.seal
        return found if seal is None else seal.check(found, queue)

    async def _revoke(self, jobs: list[Message]) -> dict[int, bytes]:
        settings, now = self._client.settings, self._client.clock()
        moves = [transitions.revoke(job, now, "purged", settings.dedupe_ttl) for job in jobs]
        replies = await self._client.store.apply(moves) if moves else []
        return {id(job): reply[0] for job, reply in zip(jobs, replies, strict=True)}
