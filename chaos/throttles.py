"""The limits of a run, and whether they held. Pure: from what ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from warrener import JobStatus

from .ledger import Execution

SHARED, A_KEY = "chaos.tasks.share", 2
"""The task whose jobs share a concurrency key, and how many of them may run at once."""
NARROW, IN_FLIGHT = "chaos.tasks.narrow", 3
"""The one of which only so many may run at once, whatever their arguments."""
METERED, A_SECOND = "chaos.tasks.metered", 4
"""The one of which so many may start in a second."""
AT_ONCE = {SHARED: A_KEY, NARROW: IN_FLIGHT}
RUSH = 60
"""Jobs of the metered task that are sent at once: without its limit they would start within WINDOW."""
WINDOW = 5.0
HELD_UP = 16
"""Starts that may have been given before a window and come in it: of a worker that was stopped between
the two, say. As many as all workers have slots."""
SEEN_LATE = 0.25
"""Seconds by which the end of a process may be seen late: a run that took its place within them did not
overlap with it."""


def beyond_limits(
    executions: Iterable[Execution], records: Mapping[str, JobStatus | None]
) -> list[str]:
    """What ran though a limit should have kept it from running then."""
    by_task: dict[str, list[Execution]] = defaultdict(list)
    for execution in sorted(executions, key=lambda one: one.began):
        if record := records.get(execution.job_id):
            by_task[record.task].append(execution)
    found = [line for task, most in AT_ONCE.items() for line in _too_many(by_task[task], most)]
    return [*found, *_too_fast(by_task[METERED])]


def _too_many(executions: Sequence[Execution], most: int) -> Iterator[str]:
    ends: list[float] = []
    for execution in executions:
        ends = [end for end in ends if end > execution.began]
        ends.append(execution.ended - (SEEN_LATE if execution.died else 0.0))
        if len(ends) > most:
            yield f"{execution.job_id}: began beside {len(ends) - 1} others of its limit"


def _too_fast(executions: Sequence[Execution]) -> Iterator[str]:
    most = round(WINDOW * A_SECOND) + 1 + HELD_UP
    for first, execution in zip(executions, executions[most:], strict=False):
        if (seconds := execution.began - first.began) < WINDOW:
            yield f"{execution.job_id}: start {most + 1} of its task within {seconds:.1f} s"
