"""What goes in and out over HTTP of operations on dead letters, and of the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from warrener.asking import Forecast
from warrener.audit import AuditEntry
from warrener.operations import Operation
from warrener.selecting import MOST

from .letter_schemas import GroupView, LetterFilter
from .schemas import time_view


class PassRequest(LetterFilter):
    """Which dead letters: conditions that must all hold, or `all`; of those, the first `limit` of
    the queue."""

    all: bool = False
    limit: Annotated[int, Field(ge=1, le=MOST)] | None = None
    rate: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    """Letters per second at most."""
    dry_run: bool = False
    """Only count: 200 and a forecast."""


class ReplayRequest(PassRequest):
    """Dead letters to replay."""

    to_queue: str | None = None
    """Instead of the queue in which they died."""
    edit: dict[str, Any] | None = None
    """Arguments by name that take the place of those that the jobs have."""
    resign: bool = False
    """Replay those without a valid signature as well, signed anew."""


class DiscardRequest(PassRequest):
    """Dead letters to give up."""

    because: Annotated[str, Field(min_length=1, max_length=500)]
    """Why; it is kept with the jobs and in the audit trail."""


class ForecastView(BaseModel):
    """What it would do, as far as the index knows: with `would` of the `matched` letters."""

    queue: str
    listed: int
    held: int | None
    drift: str | None
    matched: int
    would: int
    groups: list[GroupView]

    @classmethod
    def of(cls, found: Forecast) -> ForecastView:
        """The view of a forecast."""
        return cls(
            queue=found.count.queue,
            listed=found.count.listed,
            held=found.count.held,
            drift=found.count.drift or None,
            matched=found.matched,
            would=found.would,
            groups=[GroupView.of(group) for group in found.groups],
        )


class OperationView(BaseModel):
    """An operation. Of the queue's letters, `seen` were met so far; of those that are meant, `total` when
    it was asked for, `done` were replayed or discarded, with `already` that had been done before, and
    `failed` stay, for the reasons in `faults`."""

    id: str
    kind: Literal["replay", "discard", "reindex"]
    queue: str
    state: Literal["waiting", "running", "done", "cancelled", "failed"]
    by: str
    created: datetime | None
    started: datetime | None
    finished: datetime | None
    total: int | None
    seen: int
    done: int
    already: int
    kept: int
    failed: int
    faults: list[str]
    note: str
    """What it waits for, or why it failed."""
    cancelling: bool
    selection: dict[str, Any]
    limit: int | None
    rate: float | None
    to_queue: str | None
    edit: list[str] | None
    """The names of the arguments that it changes; their values may be secret."""
    because: str | None

    @classmethod
    def of(cls, one: Operation) -> OperationView:
        """The view of an operation."""
        wanted = one.wanted
        return cls(
            **{name: getattr(one, name) for name in _AS_IT_IS},
            **{name: getattr(wanted, name) for name in ("kind", "queue", "by", "total")},
            **{name: getattr(wanted, name) for name in ("limit", "rate")},
            edit=wanted.edited,
            created=time_view(one.created),
            started=time_view(one.started),
            finished=time_view(one.finished),
            selection=wanted.selection.to_json(),
            to_queue=wanted.to_queue or None,
            because=wanted.reason or None,
        )


_AS_IT_IS = (
    *("id", "state", "seen", "done", "already", "kept", "failed"),
    *("faults", "note", "cancelling"),
)


class AuditView(BaseModel):
    """One deed: who did what, and to which letters, job, queue, schedule, workflow or worker."""

    id: str
    at: datetime | None
    who: str
    what: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditView:
        """The view of an entry."""
        return cls(
            id=entry.id, at=time_view(entry.at), who=entry.who, what=entry.what, facts=entry.facts
        )


class OperationQuery(BaseModel):
    """How many operations."""

    model_config = ConfigDict(extra="forbid")

    size: Annotated[int, Field(ge=1, le=1000)] = 100


class AuditQuery(OperationQuery):
    """A page of entries."""

    before: Annotated[str, Field(pattern=r"^(\d{1,15}-\d{1,15})?$")] = ""
    """An entry's id: go on there."""
