"""Time limits: whose time is over loses its process, after a grace for those who share it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .child_process import Child
from .deliveries import Run
from .outcomes import Outcome, TimedOut

log = logging.getLogger(__name__)


class TimeLimits:
    """The timers of what runs. `retire` sees to it that a child gets no new work."""

    def __init__(self, retire: Callable[[Child], None]) -> None:
        self._retire = retire
        self.neighbour_grace = 5.0
        """Seconds that a child's other jobs get before it is killed for one."""
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def begin(self, child: Child, run: Run) -> None:
        """The run has begun. Where a child is no process, nothing can be enforced."""
        if run.spec.time_limit is not None and child.process is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(run.spec.time_limit, self._over, child, run)
            self._timers[run.token] = timer

    def forget(self, run: Run) -> None:
        """The run has ended."""
        timer = self._timers.pop(run.token, None)
        if timer is not None:
            timer.cancel()

    def _over(self, child: Child, run: Run) -> None:
        limit = run.spec.time_limit or 0.0
        log.warning(
            "job %s is over its time limit of %g s",
            run.message.job_id,
            limit,
            extra=run.delivery.facts,
        )
        self.condemn(child, run, TimedOut(limit))

    def condemn(self, child: Child, run: Run, sentence: Outcome) -> None:
        """Kill the process of this run, which then comes to `sentence`; others in it get a grace."""
        self.forget(run)
        run.sentence = sentence
        others = len(child.running) - 1
        log.warning(
            "process %s of job %s is killed%s",
            child.pid,
            run.message.job_id,
            f" in {self.neighbour_grace:g} s, with {others} other job(s) in it" if others else "",
            extra=run.delivery.facts,
        )
        if not child.closing:
            self._retire(child)
        if others:
            loop = asyncio.get_running_loop()
            grace = self.neighbour_grace
            self._timers[run.token] = loop.call_later(grace, child.kill, why(run))
        else:
            child.kill(why(run))


def why(run: Run) -> str:
    """What is said of a process that was killed for this run."""
    cause = "the time limit" if isinstance(run.sentence, TimedOut) else "the revocation"
    return f"killed for {cause} of job {run.message.job_id}"
