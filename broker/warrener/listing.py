"""Listings of jobs: the lists say where to look, the records what is so. What no longer fits its list is
left out; what a crash kept off a list is listed again after a rebuild (reindexing.py)."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from .errors import CursorError
from .lists import Line, Lists, Name, read
from .presence import PresenceBoard
from .records import JobStatus, parse_status
from .settings import Settings
from .states import State
from .store import Call, Store

LONGEST_PAGE = 1000
READ_AT_MOST = 2_000
"""Records that one page looks at: with a state that few have, it may come short, and have a cursor."""
LOOK_AT_MOST = 40_000
"""Members of a list that it looks at, without their records: of a task that few jobs have it comes short
as well."""
AT_ONCE = 20_000
"""Members that one script looks at: Redis does nothing else meanwhile, for some milliseconds."""

FIELDS = (
    *("state", "task", "queue", "attempt", "generation", "created", "due", "started", "finished"),
    *("worker", "losses", "error", "progress", "reason", "owed", "unconfirmed"),
)
"""Of a record: all but arguments and results, which may be large."""

_LISTS: list[tuple[frozenset[State], Name, str]] = [
    (frozenset({State.SCHEDULED, State.RETRY}), Name.WAITING, "up"),
    (frozenset({State.FAILURE}), Name.FAILED, "down"),
    (frozenset({State.REVOKED}), Name.REVOKED, "down"),
]


Scored = tuple[str, str]
"""A member of a list, and its score."""


class Place(NamedTuple):
    """A place in a list: the score and the member behind which a page begins."""

    score: str
    member: str

    @property
    def cursor(self) -> str:
        """The place as text for addresses."""
        return base64.urlsafe_b64encode(orjson.dumps([*self])).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> Place:
        """The opposite of `cursor`. Raises CursorError."""
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            score, member = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
            if not math.isfinite(float(score)):
                raise ValueError(score)
            read(member)
            return cls(str(score), member)
        except (binascii.Error, ValueError, TypeError, AttributeError) as error:
            raise CursorError(cursor=cursor[:80]) from error


START = Place("", "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs: those in one of the states (none: in any), of this queue, of this task."""

    states: frozenset[State] = frozenset()
    queue: str = ""
    task: str = ""

    def fits(self, status: JobStatus) -> bool:
        """True if the record is one of these."""
        return (
            (not self.states or status.state in self.states)
            and self.queue in ("", status.queue)
            and self.task in ("", status.task)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, without results and histories, and the cursor of what follows: None at the end."""

    jobs: list[JobStatus]
    cursor: str | None


class Listing:
    """Reads the lists. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._lists = Lists(settings.namespace)
        self._board = PresenceBoard(settings, store)

    async def page(self, wanted: Wanted, cursor: str | None = None, size: int = 100) -> Page:
        """The next jobs: SCHEDULED and RETRY by when they are due; FAILURE or REVOKED alone by when they
        ended, the last first; all others by when they were created, the newest first. STARTED alone are
        those that workers said on their last beat to have run for longer than one. A page may come
        short or empty, and have a cursor all the same: only without one it is the last. Raises
        CursorError."""
        place = Place.of(cursor) if cursor else START
        if wanted.states == {State.STARTED}:
            return await self._running(wanted, place, size)
        name, way = _list_for(wanted.states)
        jobs: list[JobStatus] = []
        reads, looks = READ_AT_MOST, LOOK_AT_MOST
        while len(jobs) < size and reads > 0 and looks > 0:
            # Of those in one state there may be few among many: each round trip reads more than the last.
            ask = min(reads, LONGEST_PAGE, max(size - len(jobs), READ_AT_MOST - reads))
            lines, place = await self.piece(name, way, place, wanted, ask)
            for n, (line, status) in enumerate(await self.records(name, lines, wanted.states)):
                if status is not None and wanted.fits(status):
                    jobs.append(status)
                    if len(jobs) == size and n + 1 < len(lines):
                        place = Place(line[1], line[0])
                        break
            reads, looks = reads - len(lines), looks - AT_ONCE
            if place == START:
                return Page(jobs, None)
        return Page(jobs, place.cursor)

    async def _running(self, wanted: Wanted, place: Place, size: int) -> Page:
        """Running jobs are few, and may lie behind any number of others: their workers name them."""
        workers = await self._board.living()
        found = await self.summaries(job["id"] for worker in workers for job in worker.running)
        jobs = sorted(
            ((_place_of(status), status) for status in found if status and wanted.fits(status)),
            key=lambda one: (-float(one[0].score), one[0].member),
        )
        if place != START:
            at = (-float(place.score), place.member)
            jobs = [one for one in jobs if (-float(one[0].score), one[0].member) > at]
        cursor = jobs[size - 1][0].cursor if len(jobs) > size else None
        return Page([status for _, status in jobs[:size]], cursor)

    async def piece(
        self,
        name: Name,
        way: str,
        place: Place,
        wanted: Wanted,
        ask: int,
        looks: int = AT_ONCE,
    ) -> tuple[list[Scored], Place]:
        """The next members of a list, `up` or `down`, with their scores, and the place after them: START
        once the list has ended. It looks at so many members at most."""
        arguments = (way, *place, wanted.queue, wanted.task, ask, looks)
        call = Call("listing/page", (self._lists.key(name),), arguments)
        [[score, member, *found]] = await self._store.call([call])
        texts = [text.decode() for text in found]
        pairs = list(zip(texts[::2], texts[1::2], strict=True))
        return pairs, Place(score.decode(), member.decode())

    async def records(
        self, name: Name, members: Sequence[Scored], states: frozenset[State] = frozenset()
    ) -> list[tuple[Scored, JobStatus | None]]:
        """These members of a list, each with its record, or None where the record does not fit them, or is
        in none of the states."""
        lines = [read(member) for member, _ in members]
        ids = [line.job_id for line in lines]
        if states and name is Name.ALL:
            ids = await self._in(states, ids)
        found = dict(zip(ids, await self.summaries(ids), strict=True))
        pairs = zip(members, lines, strict=True)
        return [(member, _fitting(name, line, found.get(line.job_id))) for member, line in pairs]

    async def _in(self, states: frozenset[State], job_ids: Sequence[str]) -> list[str]:
        """Those that are in one of the states: one field is read much faster than a record."""
        keys = self._store.keys
        found = await self._store.send([("HGET", keys.job(job_id), "state") for job_id in job_ids])
        wanted = {state.encode() for state in states}
        return [job_id for job_id, state in zip(job_ids, found, strict=True) if state in wanted]

    async def summaries(self, job_ids: Iterable[str]) -> list[JobStatus | None]:
        """The records of these jobs, without results and histories."""
        ids = list(job_ids)
        if not ids:
            return []
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            for job_id in ids:
                pipeline.hmget(self._store.keys.job(job_id), FIELDS)
            replies = await pipeline.execute(raise_on_error=False)
        return [_summary(job_id, reply) for job_id, reply in zip(ids, replies, strict=True)]

    async def count(self, name: Name) -> int:
        """How many members a list has, among them those that no longer fit it."""
        async with self._store.reachable():
            return int(await self._store.client.zcard(self._lists.key(name)))


_NAMES = tuple(name.encode() for name in FIELDS)


def _summary(job_id: str, values: object) -> JobStatus | None:
    """A record of which some fields were read; None for what is none, or nobody's yet."""
    if not isinstance(values, list) or values[0] is None:
        return None
    record = {name: v for name, v in zip(_NAMES, values, strict=True) if v is not None}
    return parse_status(job_id, record, None, 0.0, 0.0)


def _place_of(status: JobStatus) -> Place:
    line = Line(status.id, status.generation, status.attempt, status.queue, status.task)
    return Place(repr(status.created or 0.0), line.member)


def _list_for(states: Collection[State]) -> tuple[Name, str]:
    for covered, name, way in _LISTS:
        if states and covered.issuperset(states):
            return name, way
    return Name.ALL, "down"


def _fitting(name: Name, line: Line, status: JobStatus | None) -> JobStatus | None:
    return status if status is not None and belongs(name, line, status) else None


def belongs(name: Name, line: Line, status: JobStatus) -> bool:
    """True if this line still says on this list what its record says."""
    match name:
        case Name.WAITING:
            order = (status.generation, status.attempt + (status.state is State.RETRY))
            waits = status.state in (State.SCHEDULED, State.RETRY)
            return waits and order == (line.generation, line.attempt)
        case Name.FAILED:
            return status.state is State.FAILURE and status.generation == line.generation
        case Name.REVOKED:
            return status.state is State.REVOKED
        case Name.ALL:
            # A replay may have gone to another queue, and is listed there.
            return (line.queue, line.task) == (status.queue, status.task)
