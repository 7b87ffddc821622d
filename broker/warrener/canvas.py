"""Workflows as values: calls joined to chains and groups, which say nothing yet of how they are run."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, TypeVar, overload

from .errors import ConfigurationError
from .workflow_handles import WorkflowHandle

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)

OnError = Literal["fail", "continue"]


class Step(Generic[In_contra, Out_co]):
    """Part of a workflow: it may take what came before it, and gives what comes after it."""

    def __or__(self, then: Step[Out_co, F]) -> Chain[In_contra, F]:
        """This, then that: `a.s(x) | b.s()`."""
        return Chain((*_steps(self), *_steps(then)))

    def starters(self) -> Iterable[Starts]:
        """The apps of the calls in it."""
        raise NotImplementedError


class Starts(Protocol):
    """What a workflow needs of its app."""

    async def start(self, flow: Workflow[Any, Out]) -> WorkflowHandle[Out]:
        """Submit a workflow."""

    def start_sync(self, flow: Workflow[Any, Out]) -> WorkflowHandle[Out]:
        """The same from code without an event loop."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a workflow as a whole is run."""

    id: str | None = None
    idempotency_key: str | None = None
    on_error: Step[Any, Any] | None = None
    on_success: Step[Any, Any] | None = None


@dataclass(frozen=True)
class Workflow(Step[In_contra, Out_co]):
    """A chain or a group: what can be submitted as a whole."""

    steps: tuple[Step[Any, Any], ...]
    wishes: Wishes = field(default=Wishes(), kw_only=True)

    def starters(self) -> Iterable[Starts]:
        """The apps of the calls in it."""
        for step in self.steps:
            yield from step.starters()

    @property
    def _app(self) -> Starts:
        for app in self.starters():
            return app
        raise ConfigurationError(message="A workflow needs at least one task: this one has none")

    async def send(self) -> WorkflowHandle[Out_co]:
        """Submit it; returns once its plan is stored and its first jobs are confirmed by RabbitMQ. Raises
        ConfigurationError, StoreUnavailable and what Task.send raises."""
        return await self._app.start(self)

    def send_sync(self) -> WorkflowHandle[Out_co]:
        """send() for code without an event loop. Raises SyncCallOnLoop on a running one."""
        return self._app.start_sync(self)

    def _wishing(
        self,
        id: str | None,
        idempotency_key: str | None,
        on_error: Step[Any, Any] | None,
        on_success: Step[Any, Any] | None,
    ) -> Wishes:
        mine = self.wishes
        return Wishes(
            mine.id if id is None else id,
            mine.idempotency_key if idempotency_key is None else idempotency_key,
            mine.on_error if on_error is None else on_error,
            mine.on_success if on_success is None else on_success,
        )


@dataclass(frozen=True)
class Chain(Workflow[In_contra, Out_co]):
    """Steps one after another; each takes what the one before it gives."""

    def options(
        self,
        *,
        id: str | None = None,
        idempotency_key: str | None = None,
        on_error: Step[Any, Any] | None = None,
        on_success: Step[Any, Any] | None = None,
    ) -> Chain[In_contra, Out_co]:
        """The same chain with these options. `id` names the workflow, and one id runs once;
        `idempotency_key` derives it. `on_error` is called once with the list of causes if it fails,
        `on_success` with its result if it succeeds."""
        return replace(self, wishes=self._wishing(id, idempotency_key, on_error, on_success))


@dataclass(frozen=True)
class Group(Workflow[In_contra, Out_co]):
    """Steps side by side, which all take what came before the group; it gives the list of their results,
    in order. With on_error="continue" a member that fails gives its error instead."""

    on_error: OnError = "fail"

    def options(
        self,
        *,
        id: str | None = None,
        idempotency_key: str | None = None,
        on_error: Step[Any, Any] | None = None,
        on_success: Step[Any, Any] | None = None,
    ) -> Group[In_contra, Out_co]:
        """The same group with these options; see Chain.options."""
        return replace(self, wishes=self._wishing(id, idempotency_key, on_error, on_success))


@overload
def chain(first: Step[In, A], /) -> Chain[In, A]: ...
@overload
def chain(first: Step[In, A], second: Step[A, B], /) -> Chain[In, B]: ...
@overload
def chain(first: Step[In, A], second: Step[A, B], third: Step[B, C], /) -> Chain[In, C]: ...
@overload
def chain(
    first: Step[In, A], second: Step[A, B], third: Step[B, C], fourth: Step[C, D], /
) -> Chain[In, D]: ...
@overload
def chain(
    first: Step[In, A],
    second: Step[A, B],
    third: Step[B, C],
    fourth: Step[C, D],
    fifth: Step[D, E],
    /,
    *more: Step[Any, Any],
) -> Chain[In, Any]: ...
def chain(*steps: Step[Any, Any]) -> Chain[Any, Any]:
    """These steps one after another; each passes its result on as the next one's first argument, unless
    that was made with `.si()`."""
    if not steps:
        raise ConfigurationError(message="A chain needs at least one step: this one has none")
    return Chain(tuple(inner for step in steps for inner in _steps(step)))


@overload
def group(
    steps: Iterable[Step[In, Out]], /, *, on_error: OnError = ...
) -> Group[In, builtins.list[Out]]: ...
@overload
def group(
    first: Step[In, Out], /, *steps: Step[In, Out], on_error: OnError = ...
) -> Group[In, builtins.list[Out]]: ...
def group(*steps: Any, on_error: OnError = "fail") -> Group[Any, Any]:
    """These steps side by side, given one by one or as one iterable; the result is the list of theirs."""
    if on_error not in ("fail", "continue"):
        message = f"on_error={on_error!r} must be 'fail' or 'continue'"
        raise ConfigurationError(message=message)
    given = steps[0] if len(steps) == 1 and not isinstance(steps[0], Step) else steps
    return Group(tuple(given), on_error=on_error)


def chord(
    members: Iterable[Step[In, A]] | Group[In, builtins.list[A]],
    body: Step[builtins.list[A], B],
    *,
    on_error: OnError = "fail",
) -> Chain[In, B]:
    """A group, then `body` with the list of its results."""
    first = members if isinstance(members, Group) else group(members, on_error=on_error)
    return Chain((first, *_steps(body)))


def pieces(items: Iterable[A], size: int) -> Sequence[builtins.list[A]]:
    """Lists of `size` items, the last one of what is left. Raises ConfigurationError."""
    if size < 1:
        raise ConfigurationError(message=f"A chunk must have 1 item or more, not {size}")
    all_of_them = list(items)
    return [all_of_them[at : at + size] for at in range(0, len(all_of_them), size)]


def _steps(step: Step[Any, Any]) -> tuple[Step[Any, Any], ...]:
    """A chain within a chain is the same as its steps; its wishes would be lost."""
    if isinstance(step, Chain) and step.wishes == Wishes():
        return step.steps
    return (step,)
