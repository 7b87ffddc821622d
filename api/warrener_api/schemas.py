"""What goes in and out over HTTP."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from warrener.dead_letters import DeadLetter
from warrener.records import JobStatus

# Strict: a time is text, so that no number of seconds is taken for one.
Expiry = (
    Annotated[float, Field(gt=0, allow_inf_nan=False)]
    | Annotated[AwareDatetime, Field(strict=True)]
)
"""Seconds from the submission, or a time."""


class JobRequest(BaseModel):
    """A job to submit."""

    model_config = ConfigDict(extra="forbid")

    task: Annotated[str, Field(min_length=1, max_length=255)]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    queue: str | None = None
    countdown: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Seconds."""
    eta: AwareDatetime | None = None
    expires: Expiry | None = None
    """From then on it does not begin."""


class ErrorView(BaseModel):
    """Why an attempt failed."""

    type: str
    message: str
    traceback: str
    reason: str


class JobView(BaseModel):
    """A job as recorded."""

    id: str
    task: str
    queue: str
    state: str
    attempt: int = 1
    replays: int = 0
    created: datetime | None = None
    due: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    worker: str | None = None
    losses: int = 0
    result: Any = None
    result_expired: bool = False
    error: ErrorView | None = None
    attempts: list[dict[str, Any]] = []
    progress: dict[str, Any] | None = None
    reason: str | None = None
    recovered: bool = False

    @classmethod
    def of(cls, status: JobStatus) -> JobView:
        """The view of a record."""
        error = status.error
        return cls(
            id=status.id,
            task=status.task,
            queue=status.queue,
            state=status.state.value,
            attempt=status.attempt,
            replays=status.replays,
            created=_time(status.created),
            due=_time(status.due),
            started=_time(status.started),
            finished=_time(status.finished),
            worker=status.worker,
            losses=status.losses,
            result=status.result,
            result_expired=status.result_expired,
            error=_error(error) if error else None,
            attempts=status.attempts,
            progress=status.progress,
            reason=status.reason,
            recovered=status.recovered,
        )


class QueueView(BaseModel):
    """A work queue."""

    name: str
    ready: int
    consumers: int
    dead: int


class DeadLetterView(BaseModel):
    """A dead letter."""

    id: str
    job_id: str
    task: str
    queue: str
    generation: int
    attempt: int
    reason: str
    error: ErrorView
    died: datetime | None
    worker: str
    attempts: list[dict[str, Any]]
    body: str

    @classmethod
    def of(cls, letter: DeadLetter) -> DeadLetterView:
        """The view of a letter."""
        facts = {name: getattr(letter, name) for name in _PLAIN}
        return cls(**facts, error=_error(letter.error), died=_time(letter.died))


_PLAIN = (
    *("id", "job_id", "task", "queue", "generation", "attempt"),
    *("reason", "worker", "attempts", "body"),
)


class DeadLetterPage(BaseModel):
    """Dead letters of one queue, the newest first."""

    count: int
    items: list[DeadLetterView]


class ReplayRequest(BaseModel):
    """Which dead letters to replay: conditions that must all hold, or `all`."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] = []
    task: str | None = None
    cause: str | None = None
    reason: str | None = None
    all: bool = False
    limit: Annotated[int, Field(ge=1, le=2**53)] | None = None
    dry_run: bool = False
    resign: bool = False
    """Replay those without a valid signature as well, signed anew."""


class ReplayView(BaseModel):
    """What a replay did."""

    queue: str
    seen: int
    replayed: int
    kept: int
    already: int
    failed: list[str]
    job_ids: list[str]


def _time(seconds: float | None) -> datetime | None:
    # What came with a message of somebody else's may be no time of the calendar.
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    return None


def _error(error: Any) -> ErrorView:
    return ErrorView(
        type=error.type, message=error.message, traceback=error.traceback, reason=error.reason
    )
