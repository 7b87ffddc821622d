"""`@app.task`, and how a type checker sees what it makes: the function's own signature, without the Job."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from .job import Job
from .limits import Limits
from .retry import Retry
from .tasks import Task, TaskSettings
from .uniqueness import Unique

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
A_contra = TypeVar("A_contra", contravariant=True)
B_contra = TypeVar("B_contra", contravariant=True)
C_contra = TypeVar("C_contra", contravariant=True)


# A ParamSpec cannot leave out a keyword-only parameter (PEP 612, "the components of a ParamSpec").
# So `job` as the first parameter is checked exactly, names and defaults included; the keyword-only
# form is matched by number of arguments, up to three, which must then be given by position. No list of
# types can say that an argument may be left out: where there are defaults, only the result is checked,
# rather than refusing calls that are right.
class _Job0(Protocol[R_co]):
    def __call__(self, *, job: Job[Any]) -> R_co: ...


class _Job1(Protocol[A_contra, R_co]):
    def __call__(self, a: A_contra, /, *, job: Job[Any]) -> R_co: ...


class _Job2(Protocol[A_contra, B_contra, R_co]):
    def __call__(self, a: A_contra, b: B_contra, /, *, job: Job[Any]) -> R_co: ...


class _Job3(Protocol[A_contra, B_contra, C_contra, R_co]):
    def __call__(self, a: A_contra, b: B_contra, c: C_contra, /, *, job: Job[Any]) -> R_co: ...


class _JobAndDefault0(Protocol[R_co]):
    def __call__(self, a: Any = ..., /, *, job: Job[Any]) -> R_co: ...


class _JobAndDefault1(Protocol[R_co]):
    def __call__(self, a: Any, b: Any = ..., /, *, job: Job[Any]) -> R_co: ...


class _JobAndDefault2(Protocol[R_co]):
    def __call__(self, a: Any, b: Any, c: Any = ..., /, *, job: Job[Any]) -> R_co: ...


Coro = Coroutine[Any, Any, R]


class TaskDecorator:
    """`@app.task` and `@app.task(queue=…, …)`."""

    def __init__(
        self,
        declare: Callable[[Callable[..., Any], TaskSettings], Task[..., Any]],
        settings: TaskSettings,
    ) -> None:
        self._declare = declare
        self._settings = settings

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Job[Any], P], Coro[R]], /
    ) -> Task[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Job[Any], P], R], /
    ) -> Task[P, R]: ...
    @overload
    def __call__(self, function: _JobAndDefault0[Coro[R]], /) -> Task[..., R]: ...
    @overload
    def __call__(self, function: _JobAndDefault0[R], /) -> Task[..., R]: ...
    @overload
    def __call__(self, function: _JobAndDefault1[Coro[R]], /) -> Task[..., R]: ...
    @overload
    def __call__(self, function: _JobAndDefault1[R], /) -> Task[..., R]: ...
    @overload
    def __call__(self, function: _JobAndDefault2[Coro[R]], /) -> Task[..., R]: ...
    @overload
    def __call__(self, function: _JobAndDefault2[R], /) -> Task[..., R]: ...
    @overload
    def __call__(self, function: _Job0[Coro[R]], /) -> Task[[], R]: ...
    @overload
    def __call__(self, function: _Job0[R], /) -> Task[[], R]: ...
    @overload
    def __call__(self, function: _Job1[A, Coro[R]], /) -> Task[[A], R]: ...
    @overload
    def __call__(self, function: _Job1[A, R], /) -> Task[[A], R]: ...
    @overload
    def __call__(self, function: _Job2[A, B, Coro[R]], /) -> Task[[A, B], R]: ...
    @overload
    def __call__(self, function: _Job2[A, B, R], /) -> Task[[A, B], R]: ...
    @overload
    def __call__(self, function: _Job3[A, B, C, Coro[R]], /) -> Task[[A, B, C], R]: ...
    @overload
    def __call__(self, function: _Job3[A, B, C, R], /) -> Task[[A, B, C], R]: ...
    @overload
    def __call__(self, function: Callable[P, Coro[R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def __call__(
        self,
        /,
        *,
        name: str | None = None,
        queue: str | None = None,
        retry: Retry = ...,
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        max_losses: int = 3,
        isolate: bool = False,
        limits: Limits | None = None,
        unique: Unique | None = None,
        priority: int | None = None,
    ) -> TaskDecorator: ...
    def __call__(self, function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
        """Declare a task; see TaskSettings for what can be set. Raises DuplicateTask."""
        if function is None:
            return TaskDecorator(self._declare, replace(self._settings, **settings))
        return self._declare(function, self._settings)
