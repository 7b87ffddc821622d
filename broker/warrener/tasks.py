"""Tasks: functions that can be sent. Declared with @app.task, checked against their own signature."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from .calls import CallSchema
from .errors import ConfigurationError
from .handles import JobHandle
from .job import Job
from .retry import Retry

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
A_contra = TypeVar("A_contra", contravariant=True)
B_contra = TypeVar("B_contra", contravariant=True)
C_contra = TypeVar("C_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Options:
    """How one submission differs from the task's own settings. Seconds."""

    queue: str | None = None
    countdown: float | None = None
    eta: datetime | None = None
    """Timezone-aware; a naive one is refused."""
    id: str | None = None
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        if self.eta is not None and self.eta.tzinfo is None:
            raise ConfigurationError(
                message=f"eta={self.eta!r} has no time zone: say which, with tzinfo="
            )
        if self.eta is not None and self.countdown is not None:
            raise ConfigurationError(message="give either countdown= or eta=, not both")


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What @app.task(...) sets. Seconds."""

    name: str | None = None
    queue: str | None = None
    retry: Retry = field(default_factory=Retry)
    time_limit: float | None = None
    """After it the run's process is killed; None for no limit."""
    soft_time_limit: float | None = None
    """After it SoftTimeLimitExceeded is raised in the task. It cannot interrupt time.sleep or C."""
    max_losses: int = 3
    """How many processes a job may take down before it is dead-lettered; 0 means that a job which
    may have started never runs again (mail, payments)."""
    isolate: bool = False
    """True gives each run a process of its own."""

    def __post_init__(self) -> None:
        for name in ("time_limit", "soft_time_limit"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(message=f"{name}={value} must be above 0 seconds")
        if self.max_losses < 0:
            raise ConfigurationError(message=f"max_losses={self.max_losses} must not be negative")


class Sender(Protocol):
    """What a task needs of its app."""

    async def submit(self, signature: Signature[R]) -> JobHandle[R]:
        """Submit one call."""

    def submit_sync(self, signature: Signature[R]) -> JobHandle[R]:
        """Submit one call from code without an event loop."""


@dataclass(frozen=True)
class Signature(Generic[R]):
    """A call that has not been made: a value to send now, later, or as part of something larger."""

    app: Sender = field(repr=False, compare=False)
    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    chosen: Options = Options()

    def options(self, **options: Any) -> Signature[R]:
        """The same call with other options (see Task.options)."""
        return replace(self, chosen=replace(self.chosen, **options))

    async def send(self) -> JobHandle[R]:
        """Submit it; see Task.send."""
        return await self.app.submit(self)

    def send_sync(self) -> JobHandle[R]:
        """Submit it from code without an event loop."""
        return self.app.submit_sync(self)


class Task(Generic[P, R]):
    """A function that can be sent to a worker. Calling it calls the function."""

    def __init__(
        self, app: Sender, function: Callable[..., Any], name: str, settings: TaskSettings
    ):
        self.app = app
        self.function = function
        self.name = name
        self.settings = settings
        self.schema = CallSchema(name, function)
        self.is_coroutine = inspect.iscoroutinefunction(function)
        self._options = Options()
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, here and now, a Job included if it takes one."""
        return self.function(*args, **kwargs)

    def options(
        self,
        *,
        queue: str | None = None,
        countdown: float | None = None,
        eta: datetime | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Task[P, R]:
        """The same task with other options for what is sent through it.

        `countdown` in seconds or `eta` delay the job; `id` names it, and one id runs once;
        `idempotency_key` derives the id, so that sending again gives the same job. Raises
        ConfigurationError for a naive eta.
        """
        bound = copy.copy(self)
        bound._options = Options(queue, countdown, eta, id, idempotency_key)
        return bound

    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """This call as a value."""
        return Signature(self.app, self.name, args, kwargs, self._options)

    async def send(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Submit a job; returns once the broker has it safely.

        Raises InvalidArguments, PayloadTooLarge, InvalidDelay, JobIdError, IdempotencyKeyError,
        IdempotencyConflict,
        QueueNotFound, ExchangeNotFound, PublishRefused, PublishTimeout, BrokerUnavailable; with an
        idempotency key also StoreUnavailable. `may_arrive` on the error says whether the job may run
        all the same.
        """
        return await self.app.submit(self.s(*args, **kwargs))

    def send_sync(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """send() for code without an event loop. Raises SyncCallOnLoop on a running one."""
        return self.app.submit_sync(self.s(*args, **kwargs))


# A ParamSpec cannot leave out a keyword-only parameter (PEP 612, "the components of a ParamSpec").
# So `job` as the first parameter is checked exactly, names and defaults included; the keyword-only
# form is matched by number of arguments, up to three, which must then be given by position.
class _Job0(Protocol[R_co]):
    def __call__(self, *, job: Job[Any]) -> R_co: ...


class _Job1(Protocol[A_contra, R_co]):
    def __call__(self, a: A_contra, /, *, job: Job[Any]) -> R_co: ...


class _Job2(Protocol[A_contra, B_contra, R_co]):
    def __call__(self, a: A_contra, b: B_contra, /, *, job: Job[Any]) -> R_co: ...


class _Job3(Protocol[A_contra, B_contra, C_contra, R_co]):
    def __call__(self, a: A_contra, b: B_contra, c: C_contra, /, *, job: Job[Any]) -> R_co: ...


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
    ) -> TaskDecorator: ...
    def __call__(self, function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
        """Declare a task; see TaskSettings for what can be set. Raises DuplicateTask."""
        if function is None:
            return TaskDecorator(self._declare, replace(self._settings, **settings))
        return self._declare(function, self._settings)
