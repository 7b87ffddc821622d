"""What a run came to, and what follows from it: pure decisions, no I/O, time and chance passed in."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from warrener.errors import TimeLimitExceeded, WorkerLost
from warrener.messages import Message
from warrener.records import JobError
from warrener.topology import LONGEST_WAIT, TICK

from .registry import TaskSpec

LONGEST_MISFIT_PARK = 30.0
"""Seconds: a worker that fits is up for so long at most before it meets what waited for it."""

LONGEST_THROTTLED_PARK = 12.8
"""Seconds: how long a place may stay free although jobs wait for it."""
SOON = 0.8


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function returned; `result` is JSON."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, or could not be called. The child has the exception classes, so it says
    whether the task's policy covers this one; `delay` is what a RetryLater asked for, in seconds."""

    error: JobError
    retryable: bool = False
    delay: float | None = None
    misfit: bool = False
    """True if this worker's code does not fit the job: another version of it may."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time limit passed, and the process was killed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The process ended under the run, `losses` times so far counting only those charged to it."""

    reason: str
    losses: int


Outcome = Succeeded | Failed | TimedOut | Lost


REVOKED = Failed(JobError("Revoked", "it was revoked while it ran", "", "revoked"))
"""A run that ended because somebody asked it to. Its record knows of that, and becomes REVOKED."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Record the result."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Again:
    """Owe the next attempt, `delay` seconds from now."""

    error: JobError
    delay: float


@dataclass(frozen=True, slots=True)
class Bury:
    """Owe a dead letter."""

    error: JobError


@dataclass(frozen=True, slots=True)
class Rerun:
    """Run the same attempt once more, with a process of its own."""


@dataclass(frozen=True, slots=True)
class Defer:
    """Put the same attempt back into its queue, as `message`, `delay` seconds from now."""

    message: Message
    delay: float


Ending = Complete | Again | Bury | Defer
Decision = Ending | Rerun


def decide(
    outcome: Outcome,
    message: Message,
    spec: TaskSpec,
    now: float,
    grace: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Decision:
    """What follows from this outcome of this attempt. `grace`: the seconds that a job waits for a
    worker whose code fits it."""
    match outcome:
        case Succeeded(result):
            return Complete(result)
        case Failed(error, misfit=True):
            return deferral(message, now, grace) or Bury(error)
        case Failed(error, retryable, delay):
            if not retryable or message.attempt > spec.backoff.limit:
                return Bury(error)
            wait = spec.backoff.delay(message.attempt, uniform) if delay is None else delay
            return Again(error, min(max(0.0, wait), LONGEST_WAIT))
        case TimedOut(seconds):
            error = _own_error(TimeLimitExceeded(seconds=seconds), "time_limit")
            # A run that was too long once will mostly be so again, but the policy decides: a time
            # limit counts as a failed attempt like any other.
            if message.attempt > spec.backoff.limit:
                return Bury(error)
            return Again(error, spec.backoff.delay(message.attempt, uniform))
        case Lost(reason, losses):
            if spec.max_losses == 0 or spec.lost_too_often(losses):
                return Bury(worker_lost(reason, max(losses, 1)))
            return Rerun()


def deferral(message: Message, now: float, grace: float) -> Defer | None:
    """How a job waits for a worker whose code fits it (in a rolling deploy there may soon be one);
    None once it has waited for `grace` seconds."""
    since = message.waiting_since if message.waiting_since is not None else now
    left = grace - (now - since)
    if left <= 0:
        return None
    delay = min(growing_park(message.parks, LONGEST_MISFIT_PARK), left + TICK)
    return Defer(message.parked()._replace(waiting_since=since), delay)


def growing_park(parks: int, longest: float) -> float:
    """Seconds in the ladder for a job put back so often before."""
    return float(min(longest, 0.8 * 2 ** min(parks, 20)))


def throttled_park(
    parks: int,
    wait: float,
    *,
    booked: bool,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Seconds in the ladder for a job that a limit refused: until a start is due, and then longer each
    time, so that many that wait do not come together. One for which the next place is kept comes soon."""
    longest = SOON if booked else growing_park(parks, LONGEST_THROTTLED_PARK)
    return wait + longest * uniform(0.5, 1.0)


def worker_lost(reason: str, losses: int) -> JobError:
    """The error of a job that took its process down too often."""
    return _own_error(WorkerLost(reason=reason, losses=losses), "worker_lost")


def _own_error(error: Exception, reason: str) -> JobError:
    return JobError(type=type(error).__name__, message=str(error), reason=reason)
