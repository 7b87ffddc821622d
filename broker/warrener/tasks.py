"""Tasks: functions that can be sent. Declared with @app.task, checked against their own signature."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from .calls import CallSchema
from .canvas import Group, OnError, Starts, Step, group, pieces
from .errors import ConfigurationError
from .handles import JobHandle
from .limits import Limits
from .messages import LONGEST_KEY
from .retry import Retry
from .topology import LONGEST_WAIT
from .uniqueness import Unique

P = ParamSpec("P")
Q = ParamSpec("Q")
A = TypeVar("A")
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Options:
    """How one submission differs from the task's own settings. Seconds."""

    queue: str | None = None
    countdown: float | None = None
    eta: datetime | None = None
    """Timezone-aware; a naive one is refused."""
    id: str | None = None
    idempotency_key: str | None = None
    expires: float | datetime | None = None
    """Seconds from the submission, or a timezone-aware time."""
    concurrency_key: str | None = None
    """What the task's Limits count by, instead of the parameter that they name."""
    priority: int | None = None
    """From 0 to WARRENER_MAX_PRIORITY; higher ones come first."""

    def __post_init__(self) -> None:
        if isinstance(self.expires, datetime):
            if self.expires.tzinfo is None:
                raise ConfigurationError(
                    message=f"expires={self.expires!r} has no time zone: say which, with tzinfo="
                )
        elif self.expires is not None and not 0 < self.expires <= LONGEST_WAIT:
            raise ConfigurationError(
                message=f"expires={self.expires} must be above 0 seconds, and at most {LONGEST_WAIT:g}"
            )
        if self.eta is not None and self.eta.tzinfo is None:
            raise ConfigurationError(
                message=f"eta={self.eta!r} has no time zone: say which, with tzinfo="
            )
        if self.concurrency_key is not None and not 1 <= len(self.concurrency_key) <= LONGEST_KEY:
            raise ConfigurationError(
                message=f"concurrency_key={self.concurrency_key!r} must have 1 to {LONGEST_KEY} characters"
            )
        if self.eta is not None and self.countdown is not None:
            raise ConfigurationError(message="give either countdown= or eta=, not both")

    def with_(self, added: Options) -> Options:
        """These and the added ones, which win; a later time replaces an earlier one of either kind."""
        mine, wins = asdict(self), {k: v for k, v in asdict(added).items() if v is not None}
        if wins.keys() & {"countdown", "eta"}:
            mine["countdown"] = mine["eta"] = None
        return Options(**{**mine, **wins})


class Choices(TypedDict, total=False):
    """Options as keywords."""

    queue: str | None
    countdown: float | None
    eta: datetime | None
    id: str | None
    idempotency_key: str | None
    expires: float | datetime | None
    concurrency_key: str | None
    priority: int | None


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
    limits: Limits | None = None
    """What all workers together may do at most with its jobs."""
    unique: Unique | None = None
    """Of jobs with the same key, only one waits or runs."""
    priority: int | None = None
    """Of its jobs that are given no other."""

    def __post_init__(self) -> None:
        for name in ("time_limit", "soft_time_limit"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(message=f"{name}={value} must be above 0 seconds")
        if self.max_losses < 0:
            raise ConfigurationError(message=f"max_losses={self.max_losses} must not be negative")


class Sender(Starts, Protocol):
    """What a task needs of its app."""

    async def submit(self, signature: Signature[R]) -> JobHandle[R]:
        """Submit one call."""

    def submit_sync(self, signature: Signature[R]) -> JobHandle[R]:
        """Submit one call from code without an event loop."""


@dataclass(frozen=True)
class Signature(Step[Any, R], Generic[R]):
    """A call that has not been made: a value to send now, later, or as part of something larger."""

    app: Sender = field(repr=False, compare=False)
    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    chosen: Options = Options()
    takes_result: bool = True
    """False if in a workflow it does not take what came before it."""

    def starters(self) -> Iterable[Starts]:
        """The app of this call."""
        yield self.app

    def options(self, **chosen: Unpack[Choices]) -> Signature[R]:
        """The same call with these options added to its own; see Task.options."""
        return replace(self, chosen=self.chosen.with_(Options(**chosen)))

    async def send(self) -> JobHandle[R]:
        """Submit it; see Task.send."""
        return await self.app.submit(self)

    def send_sync(self) -> JobHandle[R]:
        """Submit it from code without an event loop."""
        return self.app.submit_sync(self)


class Takes(Protocol[A_contra, Q, R_co]):
    """A task with a first argument of this type. A protocol, since mypy finds no types in the Concatenate
    of a class's parameters."""

    def si(self, first: A_contra, /, *args: Q.args, **kwargs: Q.kwargs) -> Step[Any, R_co]:
        """See Task.si."""


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

    def options(self, **chosen: Unpack[Choices]) -> Task[P, R]:
        """The same task with these options, added to its own, for what is sent through it.

        `countdown` in seconds or `eta` delay the job; `id` names it, and one id runs once;
        `idempotency_key` derives the id, so that sending again gives the same job; from `expires` on, in
        seconds or a time, no attempt of it begins; `concurrency_key` is what the task's limits per key
        count by; of jobs that wait, those of a higher `priority` come first. Raises ConfigurationError for
        a naive eta.
        """
        bound = copy.copy(self)
        bound._options = self._options.with_(Options(**chosen))
        return bound

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...
    @overload
    def s(self: Takes[A, Q, R], *args: Q.args, **kwargs: Q.kwargs) -> Step[A, R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Any:
        """This call as a value. In a workflow, the result of what came before it is put before its
        arguments; a call without its first argument is good for nothing else."""
        return Signature(self.app, self.name, args, kwargs, self._options)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """The same, which does not take the result of what came before it."""
        return Signature(self.app, self.name, args, kwargs, self._options, takes_result=False)

    def map(
        self: Takes[A, Q, R], items: Iterable[A], *, on_error: OnError = "fail"
    ) -> Group[Any, list[R]]:
        """A group of this task's calls, one for each item."""
        one: Callable[[A], Step[Any, R]] = cast(Any, self).si
        return group([one(item) for item in items], on_error=on_error)

    def chunks(
        self: Takes[list[A], Q, R], items: Iterable[A], size: int, *, on_error: OnError = "fail"
    ) -> Group[Any, list[R]]:
        """A group of this task's calls, each with a list of at most `size` of the items."""
        one: Callable[[list[A]], Step[Any, R]] = cast(Any, self).si
        return group([one(piece) for piece in pieces(items, size)], on_error=on_error)

    async def send(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Submit a job; returns once the broker has it safely.

        Raises InvalidArguments, PayloadTooLarge, InvalidDelay, InvalidPriority, JobIdError,
        IdempotencyKeyError, IdempotencyConflict, DuplicateJob, QueueNotFound, ExchangeNotFound,
        PublishRefused, PublishTimeout, BrokerUnavailable; where the task is unique, or with an
        idempotency key, also StoreUnavailable. `may_arrive` on the error says whether the job may run
        all the same.
        """
        return await self.app.submit(self.s(*args, **kwargs))

    def send_sync(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """send() for code without an event loop. Raises SyncCallOnLoop on a running one."""
        return self.app.submit_sync(self.s(*args, **kwargs))
