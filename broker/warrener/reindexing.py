"""Keeping the lists of jobs in step with the records: what no longer fits is taken off, a little at a time,
and all of them can be made again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from .listing import START, Listing, Place, Wanted
from .lists import Change, Line, Lists, Name, entry
from .records import JobStatus
from .settings import Settings
from .states import State
from .store import Command, Store

PIECE = 1000
PAUSE = 60.0
"""Seconds between two looks at the lists, and after which a waiting job's time has come for sure."""


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a rebuild did: records read, and members taken off lists that they did not fit."""

    records: int
    removed: int


class Reindexer:
    """Rebuilds and tidies the lists. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
        self._kept = settings.dedupe_ttl
        self._store = store
        self._clock = clock
        self._lists = Lists(settings.namespace)
        self._listing = Listing(settings, store)
        self._places = dict.fromkeys(Name, START)
        self._turn = f"{settings.namespace}:jobs:tidied"

    async def rebuild(self, told: Callable[[int], None] = lambda _: None) -> Reindexed:
        """List what the records say, and take off what they do not. Others may go on meanwhile; `told` is
        called with the number of records read so far."""
        records = removed = 0
        async for job_ids in self._job_ids():
            statuses = await self._listing.summaries(job_ids)
            changes = [change for one in statuses if one for change in entries_of(one)]
            await self._send(self._lists.commands(changes))
            records += len([one for one in statuses if one])
            told(records)
        for name in Name:
            place = START
            while True:
                place, gone = await self._tidy(name, place, float("inf"))
                removed += gone
                if place == START:
                    break
        return Reindexed(records, removed)

    async def _job_ids(self) -> AsyncIterator[list[str]]:
        """All ids that have a record, by SCAN: some twice, if the keys move meanwhile."""
        before, after = self._store.keys.job("\0").split("\0")
        cursor: Any = 0
        while True:
            async with self._store.reachable():
                cursor, keys = await self._store.client.scan(
                    cursor, match=f"{before}*{after}", count=PIECE
                )
            texts = [key.decode() if isinstance(key, bytes) else key for key in keys]
            yield [text[len(before) : -len(after)] for text in texts]
            if not int(cursor):
                return

    async def tidy(self) -> int:
        """Take off what no longer fits, where that may be, and go on from there at the next call: so much
        as has piled up, but only a few pieces of what still fits. One process does it at a time. Answers
        how many were taken off."""
        async with self._store.reachable():
            if not await self._store.client.set(self._turn, b"1", ex=round(PAUSE / 2), nx=True):
                return 0
        now, removed = self._clock(), 0
        until = {
            Name.ALL: now - self._kept,
            Name.WAITING: now - PAUSE,
            Name.FAILED: now,
            Name.REVOKED: now - self._kept,
        }
        for name, end in until.items():
            patience = 5
            while patience:
                self._places[name], gone = await self._tidy(name, self._places[name], end)
                removed += gone
                patience -= gone < PIECE / 2
                if self._places[name] == START:
                    break
        return removed

    async def _tidy(self, name: Name, place: Place, end: float) -> tuple[Place, int]:
        """Look at a piece of a list, from its low end; answers the place after it (START: there is no more
        up to `end`) and how many were taken off."""
        members, after = await self._listing.piece(name, "up", place, Wanted(), PIECE)
        due = [member for member in members if float(member[1]) <= end]
        records = await self._listing.records(name, due)
        gone: list[Change] = [(name, member, None) for (member, _), s in records if s is None]
        await self._send(self._lists.commands(gone))
        return START if len(due) < len(members) else after, len(gone)

    async def _send(self, commands: list[Command]) -> None:
        if commands:
            await self._store.send(commands)


def entries_of(status: JobStatus) -> list[Change]:
    """Where a record belongs."""
    line = Line(status.id, status.generation, status.attempt, status.queue, status.task)
    changes = [entry(Name.ALL, line, status.created or status.started or 0.0)]
    match status.state:
        case State.SCHEDULED | State.RETRY:
            later = line._replace(attempt=line.attempt + (status.state is State.RETRY))
            changes.append(entry(Name.WAITING, later, status.due or 0.0))
        case State.FAILURE:
            changes.append(entry(Name.FAILED, line, status.finished or 0.0))
        case State.REVOKED:
            changes.append(entry(Name.REVOKED, line, status.finished or 0.0))
    return changes
