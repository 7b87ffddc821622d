"""Extending by wrapping: one shape, `async (call, next) -> result`, in two chains, send and run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .job import Job

C = TypeVar("C")
Next = Callable[[C], Awaitable[Any]]
Middleware = Callable[[C, Next[C]], Awaitable[Any]]


@dataclass(frozen=True)
class RunCall:
    """One run of a task, as the run chain sees it."""

    job: Job[Any]
    arguments: dict[str, Any]


def compose(middleware: Sequence[Middleware[C]], innermost: Next[C]) -> Next[C]:
    """The chain as one function: the first middleware is outermost."""
    for layer in reversed(middleware):
        innermost = _wrapped(layer, innermost)
    return innermost


def _wrapped(layer: Middleware[C], inner: Next[C]) -> Next[C]:
    return lambda call: layer(call, inner)
