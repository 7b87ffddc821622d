"""What goes in and out over HTTP."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from warrener.records import JobError, JobStatus

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
    priority: Annotated[int, Field(ge=0, le=255)] | None = None
    """Higher ones come first, where the app has priorities."""
    concurrency_key: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """What the task's limits per key count by, instead of one of its arguments."""


class ErrorView(BaseModel):
    """Why an attempt failed."""

    type: str
    message: str
    traceback: str
    reason: str
    frame: str
    """Where in the user's own code it was raised, as module.function:line; or empty."""


def facts_of(status: JobStatus) -> dict[str, Any]:
    """What every view of a record shows."""
    return {
        "id": status.id,
        "task": status.task,
        "queue": status.queue,
        "state": status.state.value,
        "attempt": status.attempt,
        "replays": status.replays,
        "created": time_view(status.created),
        "due": time_view(status.due),
        "started": time_view(status.started),
        "finished": time_view(status.finished),
        "worker": status.worker,
        "progress": status.progress,
        "reason": status.reason,
    }


class EditView(BaseModel):
    """A change of a job's arguments at a replay. `size` is that of the body before, in bytes; the body
    itself may have secrets, and is no matter of keys that only submit."""

    operation: str
    at: datetime | None
    by: str
    size: int


class DiscardView(BaseModel):
    """Who gave a job's dead letter up, and why."""

    at: datetime | None
    by: str
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
    edits: list[EditView] = []
    discarded: DiscardView | None = None
    waits_for: str | None = None
    """What keeps it from starting, where that is a limit or a pause."""

    @classmethod
    def of(cls, status: JobStatus) -> JobView:
        """The view of a record."""
        error, gone = status.error, status.discarded
        return cls(
            **facts_of(status),
            losses=status.losses,
            result=status.result,
            result_expired=status.result_expired,
            error=error_view(error) if error else None,
            attempts=status.attempts,
            recovered=status.recovered,
            edits=[_edit_view(edit) for edit in status.edits],
            discarded=DiscardView(**{**gone, "at": time_view(gone["at"])}) if gone else None,
            waits_for=status.waits_for,
        )


class QueueView(BaseModel):
    """A work queue. `in_flight` is told where it has limits. `unacked` are jobs that its workers held on
    their last beat, `delayed` those that wait for their time or next attempt; `oldest` is for how many
    seconds the job whose turn it is has waited, where that is known. Per second, over the last minute or
    two: jobs `submitted`, runs `ended`."""

    name: str
    ready: int
    consumers: int
    dead: int
    paused: bool = False
    rate: str | None = None
    max_in_flight: int | None = None
    in_flight: int | None = None
    unacked: int = 0
    delayed: int = 0
    oldest: float | None = None
    submitted: float = 0.0
    ended: float = 0.0


class PurgeView(BaseModel):
    """What a purge removed: jobs that were `revoked`, and other messages that were `dropped`. `kept` are
    copies of jobs that run, among others: workers see to them. `whole`: all that waited was met."""

    queue: str
    revoked: int
    dropped: int
    kept: int
    whole: bool


class LimitRequest(BaseModel):
    """What all workers together may do at most with a queue; what is not given is not limited."""

    model_config = ConfigDict(extra="forbid")

    rate: Annotated[str, Field(max_length=20)] | None = None
    """10/s, 10/m or 10/h."""
    max_in_flight: int | None = None


def time_view(seconds: float | None) -> datetime | None:
    """A time of the calendar, or None."""
    # What came with a message of somebody else's may be no time of the calendar.
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    return None


def _edit_view(edit: dict[str, Any]) -> EditView:
    facts = {name: edit[name] for name in ("operation", "by", "size")}
    return EditView(**facts, at=time_view(edit["at"]))


def error_view(error: JobError) -> ErrorView:
    """The view of an error."""
    return ErrorView(**asdict(error))
