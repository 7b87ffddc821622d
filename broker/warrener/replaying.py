"""Replay: dead letters back to their queue, as the next generation of their job.

In this order: published to the origin and confirmed, the record moved to the next generation, acknowledged
in the dead queue. Killed anywhere and run again, a letter whose record has moved on is acknowledged without
being published, and one that was published twice falls at the claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from aiormq.abc import DeliveredMessage

from . import topology, transitions
from .client import Client
from .dead_letters import read, revive, unburied
from .errors import WarrenerError
from .letter_index import DeadLetterIndex
from .messages import BAD_SIGNATURE, Malformed, Message, Seal, decode
from .publishing import Outgoing
from .records import JobStatus
from .selecting import Selection
from .states import State
from .taking import Passes, one_pass


@dataclass(slots=True)
class ReplayReport:
    """What a pass did. With a dry run, `replayed` is what it would replay."""

    queue: str
    seen: int = 0
    replayed: int = 0
    kept: int = 0
    already: int = 0
    """Letters whose job had been replayed before: acknowledged, not published again."""
    failed: list[str] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)


class _Letter:
    """One message of the dead queue, read. `unsigned` says what is wrong with its signature."""

    def __init__(
        self, delivered: DeliveredMessage, queue: str, seal: Seal | None, place: str
    ) -> None:
        found = decode(delivered.header.properties, delivered.body)
        self.delivered = delivered
        self.message = found if isinstance(found, Message) else None
        if isinstance(found, Malformed):
            stand_in = Message(
                found.job_id or "", found.task or "", found.body, extra=found.headers
            )
            self.facts = read(stand_in, queue)
        else:
            self.facts = read(self.message or found.message, queue)  # type: ignore[union-attr]
        checked = found if seal is None else seal.check(found, place)
        self.unsigned = checked.reason if isinstance(checked, Malformed) else ""

    @property
    def unclaimed(self) -> bool:
        """True if a worker refused it without looking at its job's record."""
        return bool(self.unsigned) and self.facts.reason == BAD_SIGNATURE


class Replayer:
    """Replays the dead letters of one app's queues; `passes` are by default RabbitMQ's."""

    def __init__(self, client: Client, passes: Passes | None = None) -> None:
        publisher, settings = client.publisher, client.settings
        self._client = client
        self._passes = passes or partial(one_pass, publisher, settings, alone=True)
        self._names = topology.Names(client.settings.namespace)
        self.index = DeadLetterIndex(client.settings, client.store)

    async def replay(
        self,
        queue: str,
        selection: Selection,
        *,
        limit: int | None = None,
        dry_run: bool = False,
        resign: bool = False,
    ) -> ReplayReport:
        """Replay what is selected of the dead queue of `queue`, at most `limit` letters; the rest stays,
        in its order. Letters without a valid signature, where there should be one, stay as well unless
        told to `resign`. Raises QueueNotFound, QueueBusy, BrokerUnavailable, StoreUnavailable."""
        report = ReplayReport(queue)
        dead_queue = self._names.dead_queue(queue)
        async with self._passes(dead_queue) as one:
            async for group in one.groups():
                seal = self._client.seal
                letters = [_Letter(delivered, queue, seal, dead_queue) for delivered in group]
                report.seen += len(letters)
                chosen = [o for o in letters if o.message is not None and selection.takes(o.facts)]
                if not resign:
                    report.failed += [_not_signed(letter) for letter in chosen if letter.unsigned]
                    chosen = [letter for letter in chosen if not letter.unsigned]
                if limit is not None:
                    chosen = chosen[: max(0, limit - report.replayed)]
                report.kept += len(letters) - len(chosen)
                gone: list[_Letter] = []
                if dry_run:
                    report.replayed += len(chosen)
                else:
                    gone = await self._revive(queue, chosen, report)
                keep = [letter.delivered for letter in letters if letter not in gone]
                await one.settle(group, keep)
        return report

    async def _revive(
        self, queue: str, letters: Sequence[_Letter], report: ReplayReport
    ) -> list[_Letter]:
        """Those of the letters that the dead queue need not keep any longer."""
        store = self._client.store
        statuses = await store.statuses([one.facts.job_id for one in letters]) if letters else []
        # The record of a job that no worker has looked at says nothing of this letter.
        pairs = [p for p in zip(letters, statuses, strict=True) if not p[0].unclaimed]
        moved_on = [one for one, status in pairs if status and _moved_on(one, status)]
        unfinished = {one: status for one, status in pairs if status and _unfinished(one, status)}
        due = [one for one in letters if one not in moved_on and one not in unfinished]
        faults = await self._publish(queue, due)
        done = [one for one, fault in zip(due, faults, strict=True) if fault is None]
        moves = [transitions.replay(_job(one), queue) for one in done if not one.unclaimed]
        if moves:
            await store.apply(moves)
        report.already += len(moved_on)
        report.replayed += len(done)
        report.job_ids += [one.facts.job_id for one in done]
        report.failed += [str(fault) for fault in faults if fault is not None]
        report.failed += [_still_open(status) for status in unfinished.values()]
        gone = [*done, *moved_on]
        await self.index.remove(queue, [one.facts.id for one in gone], "replayed")
        return gone

    async def _publish(self, queue: str, letters: Sequence[_Letter]) -> list[WarrenerError | None]:
        outgoing = [
            Outgoing((unburied if one.unclaimed else revive)(_job(one)), queue) for one in letters
        ]
        return await self._client.publisher.publish_many(outgoing)


def _job(letter: _Letter) -> Message:
    assert letter.message is not None
    return letter.message


def _moved_on(letter: _Letter, status: JobStatus) -> bool:
    """True if the job has left the generation in which it died, or has ended in it for good after all:
    a pass before this one was killed between the record's move and the acknowledgement."""
    if status.generation != letter.facts.generation:
        return status.generation > letter.facts.generation
    return status.state in (State.SUCCESS, State.REVOKED)


def _unfinished(letter: _Letter, status: JobStatus) -> bool:
    """True if the record knows nothing of this death. The letter may be all there is of the job, so it
    is not dropped; and the job may be running, so it is not published beside that."""
    return status.generation == letter.facts.generation and not status.is_terminal


def _not_signed(letter: _Letter) -> str:
    return (
        f"Letter {letter.facts.id!r} ({letter.facts.task!r}) stays: {letter.unsigned}. If you know where "
        f"it comes from, replay it with --resign (over HTTP: resign)."
    )


def _still_open(status: JobStatus) -> str:
    return (
        f"Job {status.id} is {status.state} in the generation in which its letter says that it died: "
        f"the letter stays until that run has ended."
    )
