"""Steering the walk of one operation: its limit, its rate, its end, and what is noted of it. Carried on
after a kill, it counts every letter once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from .audit import AuditTrail
from .errors import StoreUnavailable
from .operations import Operation, Operations
from .pacing import Pace
from .taking import WINDOW
from .walking import Control, Fate, Letter, WalkReport

POLL = 0.5
"""Seconds between two looks at what is wanted: of operations that nobody carries out, of one's end."""
KEPT_FAULTS = 20


async def cancelled(*tasks: asyncio.Task[None]) -> None:
    """Return once these tasks have ended. One cancellation may not do: what they await may lose it, as
    Python 3.11's wait_for does."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1)


class Steering(Control):
    """Steers the walk of one operation: its limit, its rate, its end, and what is noted of it."""

    def __init__(
        self,
        operations: Operations,
        trail: AuditTrail,
        one: Operation,
        owner: str,
        steady: Callable[[], float],
    ) -> None:
        super().__init__(one.wanted.limit)
        self._steady = steady
        self._operations = operations
        self._trail = trail
        self._operation = one
        self._owner = owner
        self._done = one.done
        self._tried = one.reserved
        self._reserved = set(one.reserved)
        self._counted = set(one.counted)
        self._began = one.started or math.inf
        rate = one.wanted.rate
        self._pace = Pace(rate, steady()) if rate else None
        self._kept = False
        self._chosen = one.wanted.selection.ids
        self._met: set[str] = set()
        self._letters_met = 0
        self.told = "ok"
        """What the store said last: ok, cancel or lost."""

    async def allowed(self) -> int:
        """How many letters may be taken; while the rate has to wait, none is held."""
        most = WINDOW
        # If nothing was put back so far: ended here, the queue is in its order without a whole round.
        if not self._kept and self._has_met_the_chosen():
            return 0
        if self._limit is not None and not self._kept:
            left = max(0, self._limit - self._done)
            most = min(WINDOW, left + len(self._counted))
        while most and self.told == "ok":
            room = most if self._pace is None else self._pace.room(self._steady())
            if room:
                return min(most, room)
            assert self._pace is not None
            await asyncio.sleep(min(POLL, self._pace.wait(self._steady())))
        return 0

    def _has_met_the_chosen(self) -> bool:
        """True once every letter was met that was chosen by its id, or its job's, as far as is known."""
        known = self._operation.wanted.total or 0
        return bool(self._chosen) and self._chosen <= self._met and self._letters_met >= known

    async def reserve(self, letters: Sequence[Letter], report: WalkReport) -> list[Letter]:
        """Within the limit. The letters are noted before anything is done with them: killed then, the
        next walk knows which of those that were replayed before are its own."""
        if self._operation.wanted.kind == "reindex":
            return list(letters)
        known = self._reserved | self._counted
        # Carried on, it would otherwise replay again what it has replayed and what has died once more.
        early = [one.facts.id for one in letters if one.facts.died < self._began]
        fresh = [one for one in early if one not in known]
        if self._limit is not None:
            fresh = fresh[: max(0, self._limit - self._done - len(self._reserved))]
        self._reserved.update(fresh)
        await self._note({"reserved": sorted(self._reserved)})
        known = self._reserved | self._counted
        return [one for one in letters if one.facts.id in known]

    async def settling(self, fates: Sequence[Fate], report: WalkReport) -> None:
        """Note what was done, before it is acknowledged."""
        done = [fate.letter.facts.id for fate in fates if fate.done]
        before = [fate.letter.facts.id for fate in fates if fate.already]
        # What no pass of ours had tried was done by another operation.
        ours = [one for one in before if one in self._tried]
        again = self._counted.intersection([*done, *before])
        gone = [one for one in [*done, *ours] if one not in again]
        met = {fate.letter.facts.id for fate in fates}
        self._reserved -= met
        self._counted -= met
        self._done += len(gone)
        report.already -= len({*ours, *again.intersection(before)})
        self._kept = report.kept > 0 and not report.in_place
        self._met.update(name for x in fates for name in (x.letter.facts.id, x.letter.facts.job_id))
        self._letters_met += len(fates)
        if self._pace is not None:
            self._pace.spend(len(done))
        if gone:
            kind, facts = self._operation.wanted.kind, {"queue": report.queue, "ids": gone}
            await self._trail.write(
                self._operation.wanted.by, kind, {"operation": self._operation.id, **facts}
            )
        # The acknowledgement may be lost: those that are counted are then met once more.
        counted = sorted({*self._counted, *gone, *again})
        await self._note({**self._facts(report), "counted": counted})

    def _facts(self, report: WalkReport) -> dict[str, Any]:
        return {
            "seen": report.seen,
            "done": self._done,
            "already": report.already,
            "kept": report.kept,
            "failed": report.failed,
            "faults": report.faults[:KEPT_FAULTS],
            "reserved": sorted(self._reserved),
        }

    async def _note(self, facts: dict[str, Any]) -> None:
        self.told = await self._operations.note(self._operation.id, self._owner, facts)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Meanwhile the lease is kept, and a cancellation is heard of."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            await cancelled(watch)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            with suppress(StoreUnavailable):
                await self._note({})
