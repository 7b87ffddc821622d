"""Events: what became of jobs, as those who made it so tell it, in a stream in Redis for whoever follows.

Nobody is told of what nobody wants to hear: whoever follows leaves a mark that lapses, and each process
looks for it at most once a second, after it has done something. The records are the truth; of a process
that is killed, or cut off from Redis, the last events are missing, and those of two processes may come in
another order than that of their times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import orjson

from .errors import StoreUnavailable
from .fields import known
from .store import Command, Store
from .transitions import Reply, Transition

log = logging.getLogger(__name__)

KEPT = 1_000
"""Entries of the stream, at least, of at most TOGETHER events each."""
TOGETHER = 100
PAUSE = 0.05
"""Seconds for which events are collected before they are told together."""
LOOK = 1.0
"""Seconds for which it is believed that somebody follows, or nobody."""
LAST = 1.0
"""Seconds that the last events may take when a process ends."""
MARKED = 60
"""Seconds for which events are kept on being told after the last follower has gone: one that comes back
within them has missed nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, at this Unix time. `kind` is `job` or `worker`, `state` the job's state or
    what the worker did: came, left, lost. `progress` is a report, and the state is STARTED."""

    at: float
    kind: str
    id: str
    state: str
    task: str = ""
    queue: str = ""
    attempt: int | None = None
    worker: str = ""
    progress: str | None = None


def stream(namespace: str) -> str:
    """The key of the stream."""
    return f"{namespace}:events"


def mark(namespace: str) -> str:
    """The key that exists while somebody follows."""
    return f"{namespace}:events:followed"


def told(namespace: str, events: Sequence[Event]) -> list[Command]:
    """The commands that add these to the stream."""
    key = stream(namespace)
    return [
        (*("XADD", key, "MAXLEN", "~", KEPT, "*", "events"), _text(events[start:][:TOGETHER]))
        for start in range(0, len(events), TOGETHER)
    ]


def _text(events: Sequence[Event]) -> bytes:
    facts = [{n: v for n, v in asdict(event).items() if v not in ("", None)} for event in events]
    return orjson.dumps(facts)


def read(text: bytes) -> list[Event]:
    """The events of an entry; those that another version wrote and that are none are left out."""
    found = orjson.loads(text)
    return [Event(**known(Event, facts)) for facts in found if {"at", "kind", "id"} <= facts.keys()]


class Announcer:
    """Tells of the moves of one process, as something beside its store."""

    def __init__(self, namespace: str, store: Store, clock: Callable[[], float]) -> None:
        self._namespace = namespace
        self._store = store
        self._clock = clock
        self._followed = False
        self._looked = float("-inf")
        self._events: list[Event] = []
        self._telling: asyncio.Task[None] | None = None

    def along(self, moves: Sequence[Transition]) -> list[Command]:
        """Nothing: what came of the moves is not known yet."""
        return []

    def after(self, moves: Sequence[Transition], replies: Sequence[Reply]) -> list[Command]:
        """Nothing either, and at once: it is told soon."""
        loop = asyncio.get_running_loop()
        if not self._followed and loop.time() - self._looked < LOOK:
            return []
        now = self._clock()
        for move, reply in zip(moves, replies, strict=True):
            if state := _state(move, reply):
                self._events.append(_event(now, move, reply, state))
        if self._events and (self._telling is None or self._telling.done()):
            self._telling = loop.create_task(self._tell(), name="events")
        return []

    async def _tell(self) -> None:
        try:
            while self._events:
                await asyncio.sleep(PAUSE)
                await self.flush()
        except StoreUnavailable as error:
            log.debug("events are not told: %s", error)
            self._events.clear()

    async def flush(self) -> None:
        """Tell what has been collected, if anybody follows. Raises StoreUnavailable."""
        events, self._events = self._events, []
        now = asyncio.get_running_loop().time()
        if events and now - self._looked >= LOOK:
            [there] = await self._store.send([("EXISTS", mark(self._namespace))])
            self._followed, self._looked = there == 1, now
        if events and self._followed:
            await self._store.send(told(self._namespace, events))

    async def close(self) -> None:
        """Tell the last, if Redis takes them soon: events may be missed, and no stop waits for them."""
        if self._telling is not None:
            await asyncio.wait({self._telling}, timeout=LAST)
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)


def _state(move: Transition, reply: Reply) -> str | None:
    """The state to which this move brought the job; None if it brought it to no other."""
    if b"revoked" in reply and move.script in ("claim", "fail", "revoke", "ask_revoke"):
        return "REVOKED"
    if move.script == "submit" and len(reply) == 1 and move.about is not None:
        return "PENDING" if move.about[0].due is None else "SCHEDULED"
    if move.script == "fail" and reply[0] == b"ok":
        return "FAILURE" if move.arguments[5] == "" else "RETRY"
    return _PLAIN.get((move.script, reply[0]))


_PLAIN = {
    ("claim", b"run"): "STARTED",
    ("progress", b"ok"): "STARTED",
    ("succeed", b"ok"): "SUCCESS",
    ("release", b"ok"): "PENDING",
    ("replay", b"ok"): "PENDING",
}


def _event(now: float, move: Transition, reply: Reply, state: str) -> Event:
    task, queue, attempt, worker, progress = "", "", None, "", None
    if move.about is not None:
        message, queue = move.about
        task, attempt = message.task, message.attempt
    elif move.script == "ask_revoke":
        task, queue = reply[1].decode(), reply[2].decode()
    if move.script == "claim":
        worker = str(move.arguments[4])
    if move.script == "progress":
        report = move.arguments[1]
        progress = report.decode() if isinstance(report, bytes) else str(report)
    return Event(now, "job", move.job_id, state, task, queue, attempt, worker, progress)
