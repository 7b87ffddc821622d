"""When a failed attempt runs again, and how long it waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from .errors import ConfigurationError, RetryLater


@dataclass(frozen=True, slots=True)
class Backoff:
    """The part of a retry policy that needs no exception classes, so that a worker's parent process
    can decide with it. Seconds."""

    limit: int
    base: float
    factor: float
    maximum: float
    jitter: float

    def delay(
        self, attempt: int, uniform: Callable[[float, float], float] = random.uniform
    ) -> float:
        """Seconds to wait after failed attempt number `attempt` (1 for the first): exponential,
        capped at `maximum`, moved by up to ± `jitter` of itself so that retries do not march in step.
        """
        try:
            plain = min(self.maximum, self.base * float(self.factor) ** (attempt - 1))
        except OverflowError:
            plain = self.maximum
        return max(0.0, plain * (1 + uniform(-self.jitter, self.jitter)))


Exceptions = type[BaseException] | Collection[type[BaseException]]


class Retry:
    """A task's retry policy.

    `limit` counts the runs after the first one. `on` names the exceptions that are retried (default:
    every Exception), `give_up_on` those that never are. The waits are `base` × `factor`ⁿ seconds, at
    most `maximum`, with `jitter` as a fraction. Raises ConfigurationError for values below zero, and for
    what is no exception class.
    """

    def __init__(
        self,
        limit: int = 3,
        *,
        on: Exceptions = (Exception,),
        give_up_on: Exceptions = (),
        base: float = 1.0,
        factor: float = 2.0,
        maximum: float = 3600.0,
        jitter: float = 0.25,
    ) -> None:
        if min(limit, base, factor, maximum, jitter) < 0 or jitter > 1:
            raise ConfigurationError(
                message="Retry takes no negative numbers, and a jitter of at most 1"
            )
        self.backoff = Backoff(limit, base, factor, maximum, jitter)
        self.on = _classes(on)
        self.give_up_on = _classes(give_up_on)

    def covers(self, error: BaseException) -> bool:
        """True if this exception is one to retry, whatever the number of attempts so far."""
        if isinstance(error, RetryLater):
            return True
        return isinstance(error, self.on) and not isinstance(error, self.give_up_on)

    def __repr__(self) -> str:
        return f"Retry({self.backoff.limit}, on={self.on!r}, give_up_on={self.give_up_on!r})"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Retry) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def _classes(given: Exceptions) -> tuple[type[BaseException], ...]:
    classes: tuple[Any, ...] = (given,) if isinstance(given, type) else tuple(given)
    for one in classes:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise ConfigurationError(
                message=f"Retry(on=…, give_up_on=…) take exception classes, not {one!r}"
            )
    return classes


NEVER = Retry(0)
