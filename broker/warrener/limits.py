"""Limits: how many jobs may start in a time and run at once, whichever workers they run on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ConfigurationError

_RATE = re.compile(r"([1-9]\d{0,6})/(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MOST = 1_000_000
_BURST = 0.1
"""Seconds: starts that fall into so short a time may come together, since nobody wakes more often."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any `seconds`: never more, and when much waits hardly less."""

    count: int
    seconds: float

    @staticmethod
    def parse(text: str) -> Rate:
        """Read 10/s, 10/m or 10/h. Raises ConfigurationError."""
        found = _RATE.fullmatch(text)
        if not found or int(found[1]) > _MOST:
            raise ConfigurationError(
                message=f"{text!r} is no rate: use 10/s, 10/m or 10/h, at most {_MOST} of them"
            )
        return Rate(int(found[1]), _SECONDS[found[2]])

    @property
    def burst(self) -> int:
        """How many may start together."""
        return max(1, int(self.count * _BURST / self.seconds))

    @property
    def interval(self) -> float:
        """Seconds between two starts, on average, such that with a burst first no window has too many."""
        return self.seconds / (self.count - self.burst + 1)


@dataclass(frozen=True, slots=True)
class Limits:
    """What all workers together may do at most with the jobs of one task.

    `rate` as "10/s", "10/m" or "10/h"; `max_in_flight` jobs at once; `max_per_key` at once that have the
    same concurrency key, which is the value of the parameter that `key` names, or given by
    options(concurrency_key=…). Raises ConfigurationError.
    """

    rate: str | None = None
    max_in_flight: int | None = None
    key: str | None = None
    max_per_key: int | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            Rate.parse(self.rate)
        for name in ("max_in_flight", "max_per_key"):
            check_count(name, getattr(self, name))

    @property
    def per_key(self) -> int | None:
        """At most so many of one key; one, if a key is named and no number."""
        return 1 if self.key is not None and self.max_per_key is None else self.max_per_key


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What an operator has set for one queue. `paused`: nothing of it begins."""

    paused: bool = False
    rate: str | None = None
    max_in_flight: int | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            Rate.parse(self.rate)
        check_count("max_in_flight", self.max_in_flight)

    def __str__(self) -> str:
        limits = [self.rate] if self.rate else []
        limits += [f"{self.max_in_flight} in flight"] if self.max_in_flight else []
        words = ["paused"] if self.paused else []
        words += [f"limited to {' and '.join(limits)}"] if limits else []
        return ", ".join(words) or "free"

    @property
    def limited(self) -> bool:
        """True if jobs of it need a place."""
        return self.rate is not None or self.max_in_flight is not None


def check_count(name: str, value: int | None) -> None:
    """Raise ConfigurationError for what is no number of jobs."""
    if value is not None and not 1 <= value <= _MOST:
        raise ConfigurationError(message=f"{name}={value} must be from 1 to {_MOST}")


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that is limited: a queue, a task, or a task's key."""

    name: str
    """`queue:NAME`, `task:NAME`, or `key:TASK:KEY`."""
    max_in_flight: int | None = None
    rate: str | None = None


def queue_scope(queue: str, rules: QueueRules) -> Scope:
    """That of a queue with limits."""
    return Scope(f"queue:{queue}", rules.max_in_flight, rules.rate)


def task_scopes(task: str, limits: Limits, concurrency_key: str | None) -> list[Scope]:
    """Those that a task's own limits give one of its jobs."""
    scopes = []
    if limits.rate is not None or limits.max_in_flight is not None:
        scopes.append(Scope(f"task:{task}", limits.max_in_flight, limits.rate))
    if limits.per_key is not None and concurrency_key is not None:
        scopes.append(Scope(f"key:{task}:{concurrency_key}", limits.per_key))
    return scopes
