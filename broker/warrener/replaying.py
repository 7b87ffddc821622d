"""Replay: dead letters back to their queue, as the next generation of their job.

In this order: published to the queue and confirmed, the record moved to the next generation, acknowledged
in the dead queue. Killed anywhere and run again, a letter whose record has moved on is acknowledged without
being published, and one that was published twice falls at the claim.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from . import transitions
from .client import Client
from .dead_letters import revive, unburied
from .editing import Edit
from .errors import InvalidArguments
from .letter_index import DeadLetterIndex
from .messages import Message
from .outgoing import Outgoing
from .records import JobStatus
from .selecting import Selection
from .states import State
from .taking import Passes, one_pass
from .walking import Control, Fate, Letter, Work, walk


@dataclass(slots=True)
class ReplayReport:
    """What a pass did. With a dry run, `replayed` is what it would replay."""

    queue: str
    seen: int = 0
    replayed: int = 0
    kept: int = 0
    """Letters that were met, and stay. A pass that looks for chosen ones ends at the last of them."""
    already: int = 0
    """Letters whose job had been replayed before: acknowledged, not published again."""
    failed: list[str] = field(default_factory=list)
    """Why letters stay; the first 100."""
    job_ids: list[str] = field(default_factory=list)


def passes_of(client: Client) -> Passes:
    """RabbitMQ's passes, as this client sees it."""
    return partial(one_pass, client.publisher, client.settings, alone=True)


class Revival(Work):
    """Publishes dead letters again, to their queue `origin` or to another, with edited arguments or not.
    `tried` are letters that a pass before this one, which was killed, may have published so."""

    def __init__(
        self,
        client: Client,
        origin: str,
        *,
        to_queue: str = "",
        resign: bool = False,
        edit: Edit | None = None,
        tried: Collection[str] = (),
    ) -> None:
        self._client = client
        self._index = DeadLetterIndex(client.settings, client.store)
        self._origin = origin
        self._queue = to_queue or origin
        self._resign = resign
        self._edit = edit
        self._tried = tried

    def fault(self, letter: Letter) -> str:
        """Why it cannot be replayed, or nothing."""
        if letter.message is None:
            return f"Letter {letter.facts.id!r} stays: it is no job ({letter.facts.error.message})."
        if letter.unsigned and not self._resign:
            return _not_signed(letter)
        if self._edit is not None:
            try:
                self._edit.apply(letter.message)
            except InvalidArguments as error:
                return f"Letter {letter.facts.id!r} stays: {error}"
        return ""

    async def do(self, letters: Sequence[Letter]) -> list[Fate]:
        """Replay these letters."""
        store = self._client.store
        statuses = await store.statuses([one.facts.job_id for one in letters])
        fates, due = {}, []
        for letter, status in zip(letters, statuses, strict=True):
            # The record of a job that no worker has looked at says nothing of this letter.
            if status is None or letter.unclaimed:
                due.append(letter)
            elif _moved_on(letter, status):
                fates[id(letter)] = Fate(letter, already=True)
            elif _unfinished(letter, status):
                fates[id(letter)] = Fate(letter, fault=_still_open(status))
            else:
                due.append(letter)
        faults = await self._client.publisher.publish_many([self._outgoing(one) for one in due])
        for letter, fault in zip(due, faults, strict=True):
            fates[id(letter)] = Fate(letter, done=fault is None, fault=str(fault or ""))
        await self._record([fate for fate in fates.values() if fate.done or fate.already])
        return [fates[id(letter)] for letter in letters]

    def _outgoing(self, letter: Letter) -> Outgoing:
        message = (unburied if letter.unclaimed else revive)(_job(letter))
        if self._edit is not None:
            message = self._edit.apply(message)
        return Outgoing(message, self._queue)

    async def _record(self, gone: Sequence[Fate]) -> None:
        ids = [fate.letter.facts.id for fate in gone]
        # A worker may have moved the record of one that was killed just here: it lacks the edit's note.
        lacking = self._tried if self._edit is not None else ()
        moves = [
            self._move(fate.letter)
            for letter_id, fate in zip(ids, gone, strict=True)
            if (fate.done or letter_id in lacking) and not fate.letter.unclaimed
        ]
        if moves:
            await self._client.store.apply(moves)
        await self._index.remove(self._origin, ids, "replayed")

    def _move(self, letter: Letter) -> transitions.Transition:
        message = _job(letter)
        note = b"" if self._edit is None else self._edit.note(message)
        return transitions.replay(message, self._queue, note)


class _Counted(Revival):
    """A replay that only counts."""

    async def do(self, letters: Sequence[Letter]) -> list[Fate]:
        return [Fate(letter) for letter in letters]


class Replayer:
    """Replays the dead letters of one app's queues; `passes` are by default RabbitMQ's."""

    def __init__(self, client: Client, passes: Passes | None = None) -> None:
        self._client = client
        self._passes = passes or passes_of(client)
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
        work = (_Counted if dry_run else Revival)(self._client, queue, resign=resign)
        control = _Counting(limit) if dry_run else Control(limit)
        found = await walk(self._client, self._passes, queue, selection, work, control)
        would = control.counted if isinstance(control, _Counting) else found.done
        return ReplayReport(
            queue,
            found.seen,
            would,
            found.seen - would - found.already,
            found.already,
            found.faults,
            found.job_ids,
        )


class _Counting(Control):
    """Counts what a replay would take."""

    counted = 0

    async def reserve(self, letters: Sequence[Letter], report: object) -> list[Letter]:
        room = len(letters) if self._limit is None else self._limit - self.counted
        chosen = list(letters[:room])
        self.counted += len(chosen)
        return chosen


def _job(letter: Letter) -> Message:
    assert letter.message is not None
    return letter.message


def _moved_on(letter: Letter, status: JobStatus) -> bool:
    """True if the job has left the generation in which it died, or has ended in it for good after all:
    a pass before this one was killed between the record's move and the acknowledgement."""
    if status.generation != letter.facts.generation:
        return status.generation > letter.facts.generation
    return status.state in (State.SUCCESS, State.REVOKED)


def _unfinished(letter: Letter, status: JobStatus) -> bool:
    """True if the record knows nothing of this death. The letter may be all there is of the job, so it
    is not dropped; and the job may be running, so it is not published beside that."""
    return status.generation == letter.facts.generation and not status.is_terminal


def _not_signed(letter: Letter) -> str:
    return (
        f"Letter {letter.facts.id!r} ({letter.facts.task!r}) stays: {letter.unsigned}. If you know where "
        f"it comes from, replay it with --resign (over HTTP: resign)."
    )


def _still_open(status: JobStatus) -> str:
    return (
        f"Job {status.id} is {status.state} in the generation in which its letter says that it died: "
        f"the letter stays until that run has ended."
    )
