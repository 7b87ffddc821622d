"""What listings of jobs take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from warrener import JobStatus, State
from warrener.listing import LONGEST_PAGE, Page, Wanted

from .schemas import facts_of


class JobQuery(BaseModel):
    """Which jobs to list: those in one of the states, of this queue, of this task."""

    model_config = ConfigDict(extra="forbid")

    state: list[State] = []
    queue: Annotated[str, Field(max_length=255)] = ""
    task: Annotated[str, Field(max_length=255)] = ""
    cursor: Annotated[str | None, Field(max_length=2048)] = None
    """The `next` of the page before."""
    size: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100

    @property
    def wanted(self) -> Wanted:
        """As the listing takes it."""
        return Wanted(frozenset(self.state), self.queue, self.task)


class ListedJob(BaseModel):
    """A job in a listing: without its result, its attempts and its traceback."""

    id: str
    task: str
    queue: str
    state: str
    attempt: int
    replays: int
    created: datetime | None
    due: datetime | None
    started: datetime | None
    finished: datetime | None
    worker: str | None
    error: str | None
    progress: dict[str, Any] | None
    reason: str | None

    @classmethod
    def of(cls, status: JobStatus) -> ListedJob:
        """The line of a record."""
        error = status.error
        return cls(
            **facts_of(status),
            error=f"{error.type}: {error.message}"[:500] if error else None,
        )


class JobPage(BaseModel):
    """Some jobs. With a `next` there may be more, however few are here: give it as `cursor`."""

    items: list[ListedJob]
    next: str | None

    @classmethod
    def of(cls, page: Page) -> JobPage:
        """The view of a page."""
        return cls(items=[ListedJob.of(status) for status in page.jobs], next=page.cursor)
