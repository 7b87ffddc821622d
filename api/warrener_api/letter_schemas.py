"""What goes in and out over HTTP of dead letters."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from warrener.dead_counts import DeadCount
from warrener.dead_letters import DeadLetter
from warrener.letter_index import Group
from warrener.letter_lines import LetterLine
from warrener.selecting import MOST, Selection

from .schemas import ErrorView, error_view, time_view

Count = Annotated[int, Field(ge=0, le=MOST)]
Age = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
"""Seconds."""


class LetterFilter(BaseModel):
    """Which dead letters: all conditions that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] = []
    """Of letters, or of their jobs."""
    task: str | None = None
    cause: str | None = None
    """An exception's name, with or without its module."""
    reason: str | None = None
    group: str | None = None
    """A group's id."""
    text: str | None = None
    """In the first 1,000 bytes of the message or of the arguments; a to z are also A to Z."""
    older_than: Age | None = None
    newer_than: Age | None = None
    min_attempts: Count = 0
    max_attempts: Count = MOST
    min_replays: Count = 0
    max_replays: Count = MOST

    def selection(self, *, everything: bool) -> Selection:
        """These conditions. Raises ConfigurationError if there are none."""
        now = time.time()
        return Selection(
            ids=frozenset(self.ids),
            task=self.task,
            cause=self.cause,
            reason=self.reason,
            everything=everything,
            group=self.group,
            text=self.text,
            min_attempts=self.min_attempts,
            max_attempts=self.max_attempts,
            min_replays=self.min_replays,
            max_replays=self.max_replays,
            died_before=None if self.older_than is None else now - self.older_than,
            died_after=None if self.newer_than is None else now - self.newer_than,
        )


class LetterQuery(LetterFilter):
    """A page of them."""

    cursor: Annotated[str, Field(pattern="^([0-9a-f]{2})*$", max_length=1000)] = ""
    size: Annotated[int, Field(ge=1, le=1000)] = 100


class ListedLetter(BaseModel):
    """A dead letter in a listing; message and arguments end after 1,000 bytes."""

    id: str
    job_id: str
    task: str
    queue: str
    generation: int
    attempt: int
    reason: str
    type: str
    message: str
    frame: str
    died: datetime | None
    worker: str
    arguments: str
    group: str

    @classmethod
    def of(cls, line: LetterLine) -> ListedLetter:
        """The view of a line."""
        facts = {name: getattr(line, name) for name in _LISTED}
        return cls(**facts, died=time_view(line.died), group=line.cause)


_LISTED = (
    *("id", "job_id", "task", "queue", "generation", "attempt"),
    *("reason", "type", "message", "frame", "worker", "arguments"),
)


class DeadLetterPage(BaseModel):
    """Dead letters, the newest first. `count` is of all in these queues; `next` is the cursor of the next
    page, and null on the last. A page that took too long to fill has fewer than it might, or none: then
    `looked_back_to` is when the last letter died that was looked at."""

    count: int
    items: list[ListedLetter]
    next: str | None
    looked_back_to: datetime | None


class DeadLetterView(BaseModel):
    """A dead letter. `body` ends after 4 KiB; `size` is that of all of it, in bytes. `hidden` says why all
    of its arguments are masked, and is null if at most secret ones are."""

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
    size: int
    workflow: str
    hidden: str | None

    @classmethod
    def of(cls, letter: DeadLetter) -> DeadLetterView:
        """The view of a letter."""
        facts = {name: getattr(letter, name) for name in _WHOLE}
        facts["hidden"] = letter.hidden or None
        return cls(**facts, error=error_view(letter.error), died=time_view(letter.died))


_WHOLE = (
    *("id", "job_id", "task", "queue", "generation", "attempt"),
    *("reason", "worker", "attempts", "body", "size", "workflow"),
)


class GroupView(BaseModel):
    """Dead letters of one cause: an exception, and where in the user's own code it was raised. `task`,
    `message`, `newest` (its id) and `queue` are of the newest."""

    id: str
    type: str
    frame: str
    task: str
    message: str
    newest: str
    queue: str
    count: int
    first: datetime | None
    last: datetime | None

    @classmethod
    def of(cls, group: Group) -> GroupView:
        """The view of a group."""
        facts = {name: getattr(group, name) for name in cls.model_fields}
        return cls(**{**facts, "first": time_view(group.first), "last": time_view(group.last)})


class DeadCountView(BaseModel):
    """Dead letters of a queue: `listed` in the index, `held` by the dead queue (null if there is none), and
    how many became what. `drift` says what is wrong between the two, and is null if nothing is."""

    queue: str
    listed: int
    held: int | None
    replayed: int
    discarded: int
    expired: int
    drift: str | None

    @classmethod
    def of(cls, count: DeadCount) -> DeadCountView:
        """The view of a count."""
        became = {name: count.became.get(name, 0) for name in ("replayed", "discarded", "expired")}
        return cls(
            queue=count.queue,
            listed=count.listed,
            held=count.held,
            drift=count.drift or None,
            **became,
        )
