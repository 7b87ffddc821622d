"""Which ticks of a schedule run now. Pure: state and time in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass

from warrener.schedules import Missed, Schedule
from warrener.timing import next_after, times_between

LATE = 60.0
"""Seconds after which a tick counts as missed. Less is the time that another beat needs to take over, or
RabbitMQ to come back, and no reason to leave a job out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Submit `run` in this order, then let `held` wait; all ticks up to `last` are done with."""

    run: tuple[int, ...]
    held: int | None
    last: int


def plan(schedule: Schedule, now: float, *, busy: bool) -> Plan | None:
    """What is to do now; None for nothing. `busy`: the job of the tick before has not ended."""
    definition = schedule.definition
    then = next_after(definition.timing, schedule.last)
    if schedule.paused or (schedule.held is None and (then is None or then > now)):
        return None
    ticks = ([schedule.held] if schedule.held else []) + _due(schedule, now)
    newest = times_between(definition.timing, schedule.last, now, 1)
    last = newest[0] if newest else int(schedule.last)
    if definition.overlap == "allow" or not ticks:
        return Plan(tuple(ticks), None, last)
    run, rest = ((), ticks) if busy else ((ticks[0],), ticks[1:])
    held = rest[-1] if rest and definition.overlap == "queue" else None
    if not run and not newest and held == schedule.held:
        return None  # it goes on waiting
    return Plan(run, held, last)


def asks_for_its_predecessor(schedule: Schedule) -> bool:
    """True if it matters whether the tick before has ended."""
    return schedule.definition.overlap != "allow" and schedule.job_id is not None


def _due(schedule: Schedule, now: float) -> list[int]:
    """The ticks that are due and not to be left out, in order."""
    timing, last = schedule.definition.timing, schedule.last
    late = times_between(timing, last, now - LATE, most_late(schedule.definition.missed))
    return late + times_between(timing, max(last, now - LATE), now, round(LATE) + 1)


def most_late(missed: Missed) -> int:
    """How many late ticks run."""
    return {"skip": 0, "once": 1}[missed] if isinstance(missed, str) else missed


def next_due(schedule: Schedule, now: float) -> float | None:
    """When there is something to do next; None for never, or until a predecessor ends."""
    return (
        None if schedule.paused else next_after(schedule.definition.timing, max(schedule.last, 0.0))
    )
