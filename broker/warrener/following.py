"""Following: events as they come, of all jobs and workers; and one job's record as it changes.

Each follower asks for what is new when it is ready for it: a slow one holds up nobody, and keeps nothing
here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from . import events
from .client import Client
from .errors import CursorError, JobNotFound
from .events import MARKED, Event
from .presence import Presence, PresenceBoard
from .records import JobStatus

PAUSE = 0.25
"""Seconds between two questions."""
MANY = 100
"""Entries of the stream that are asked for at once."""
_PLACE = re.compile(r"(\d{1,20})-(\d{1,20})\.(\d{1,6})")


def is_place(text: str) -> bool:
    """True if it names a place in the stream of events."""
    return _PLACE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Followed:
    """An event, and the place behind it, from which it can be gone on; a worker's has the place of the
    event before it."""

    place: str
    event: Event


@dataclass(frozen=True, slots=True)
class Missed:
    """What came between the place that was given and the next event is not kept any more."""

    place: str


class Following:
    """Follows what happens. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._store = client.store
        self._namespace = client.settings.namespace
        self._board = PresenceBoard(client.settings, client.store)
        self._lifetime = client.settings.presence_lifetime

    async def all(self, after: str = "") -> AsyncIterator[Followed | Missed | None]:
        """What happens from now on, or from behind this place on; None whenever there was nothing new for
        a moment. Raises CursorError."""
        if not await self._mark():
            await asyncio.sleep(events.LOOK + PAUSE)  # until everybody has seen the mark
        loop = asyncio.get_running_loop()
        marked = looked = loop.time()
        place, skip = await self._start(after)
        if after and not await self._is_kept(place):
            yield Missed(f"{place}.0")
        workers = {worker.owner: worker for worker in await self._board.living()}
        while True:
            if loop.time() - marked > MARKED / 3:
                await self._mark()
                marked = loop.time()
            found = await self._entries(place)
            for at, text in found:
                for number, event in enumerate(events.read(text)):
                    if at != place or number >= skip:
                        yield Followed(f"{at}.{number + 1}", event)
                        place, skip = at, number + 1
            if len(found) < 2:
                yield None
                await asyncio.sleep(PAUSE)
            if loop.time() - looked > self._client.settings.beat / 2:
                looked, before = loop.time(), workers
                workers = {worker.owner: worker for worker in await self._board.living()}
                for event in self._comings(before, workers):
                    yield Followed(f"{place}.{skip}", event)

    async def _mark(self) -> bool:
        """Have what happens told; true if somebody had before."""
        key = events.mark(self._namespace)
        there, _ = await self._store.send([("EXISTS", key), ("SET", key, b"1", "EX", MARKED)])
        return bool(there)

    async def _start(self, after: str) -> tuple[str, int]:
        """The entry to begin with, and how many of its events to leave out."""
        if after:
            found = _PLACE.fullmatch(after)
            if found is None:
                raise CursorError(cursor=after[:80])
            return f"{found[1]}-{found[2]}", int(found[3])
        key = events.stream(self._namespace)
        [last] = await self._store.send([("XREVRANGE", key, "+", "-", "COUNT", 1)])
        return (last[0][0].decode(), events.TOGETHER) if last else ("0-0", 0)

    async def _is_kept(self, place: str) -> bool:
        key = events.stream(self._namespace)
        [found] = await self._store.send([("XRANGE", key, place, place)])
        return place == "0-0" or bool(found)

    async def _entries(self, place: str) -> list[tuple[str, bytes]]:
        """The entry at this place, of which more may be new, and those behind it."""
        key = events.stream(self._namespace)
        [found] = await self._store.send([("XRANGE", key, place, "+", "COUNT", MANY)])
        if isinstance(found, Exception):
            return []
        return [(at.decode(), dict(_pairs(fields))[b"events"]) for at, fields in found]

    def _comings(self, before: dict[str, Presence], now: dict[str, Presence]) -> list[Event]:
        """Who is there that was not, and who is not that was."""
        clock = self._client.clock()
        came = [_of_worker(clock, now[owner], "came") for owner in now.keys() - before.keys()]
        gone = [before[owner] for owner in before.keys() - now.keys()]
        # One that leaves says so; the presence of one that is lost lapses long after its last beat.
        silent = self._lifetime - self._client.settings.beat
        return came + [
            _of_worker(clock, one, "lost" if clock - one.seen > silent else "left") for one in gone
        ]

    async def job(self, job_id: str) -> AsyncIterator[JobStatus | None]:
        """A job's record now, and whenever it has changed, until it has ended; None whenever it has not for
        a moment. What is over sooner than it is seen is left out, never the end. Raises JobNotFound."""
        ended = asyncio.ensure_future(self._client.wait(job_id, None))
        try:
            seen: object = None
            while True:
                await asyncio.wait({ended}, timeout=PAUSE if seen else 0.01)
                status = ended.result() if ended.done() else await self._client.status(job_id)
                if status is None:
                    raise JobNotFound(job_id=job_id)
                now = (status.state, status.generation, status.attempt, status.progress)
                if now != seen or ended.done():
                    yield status
                    seen = now
                else:
                    yield None
                if ended.done():
                    return
        finally:
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await ended


def _pairs(fields: Any) -> list[tuple[bytes, bytes]]:
    if isinstance(fields, dict):
        return list(fields.items())
    return list(zip(fields[::2], fields[1::2], strict=True))


def _of_worker(at: float, worker: Presence, did: str) -> Event:
    queues = " ".join(worker.queues)
    return Event(at, "worker", worker.name, did, queue=queues, worker=worker.name)
