"""What a worker counts for the store's statistics: in memory, added on each beat."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

from warrener.errors import StoreUnavailable
from warrener.stats import Counts, End, Stats

from .context import Context
from .deliveries import Run
from .outcomes import Again, Bury, Complete, Ending

log = logging.getLogger(__name__)


class Tally:
    """Counts the ends of runs, and how full the worker's queues are."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self._beat = context.settings.beat
        self._stats = Stats(context.settings, context.store)
        self._counts = Counts()
        self.watchers: list[Callable[[Run, Ending, float], None]] = []
        """Told of each end, and when it was."""

    def ended(self, run: Run, decision: Ending) -> None:
        """Count the end of a run."""
        outcome, now = outcome_of(decision), self._clock()
        if outcome is not None:
            end = End(run.message.task, run.delivery.queue, outcome)
            self._counts.ended(end, now - run.started)
        for watch in self.watchers:
            watch(run, decision, now)

    def saw(self, queue: str, ready: int) -> None:
        """Note how many messages were ready in a queue."""
        self._counts.depths[queue] = ready

    async def keep(self) -> NoReturn:
        """Add what was counted on every beat, without end."""
        while True:
            await asyncio.sleep(self._beat)
            await self.add()

    async def add(self) -> None:
        """Add what was counted since the last time; while Redis is away, it waits for the next."""
        counts, self._counts = self._counts, Counts()
        if not counts.ends and not counts.depths:
            return
        try:
            await self._stats.add(self._clock(), counts)
        except StoreUnavailable as error:
            log.debug("statistics are not kept: %s", error)


def outcome_of(decision: Ending) -> str | None:
    """How a run ended, in a word; None if it will begin again as if it had not been."""
    match decision:
        case Complete():
            return "succeeded"
        case Again():
            return "retried"
        case Bury(error):
            return "revoked" if error.reason == "revoked" else "failed"
        case _:
            return None
