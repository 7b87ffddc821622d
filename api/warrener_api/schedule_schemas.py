"""Schedules, as they go in and out over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from warrener import Warrener
from warrener.errors import ScheduleError
from warrener.listed_schedules import ListedSchedule
from warrener.scheduling import Scheduled
from warrener.tasks import Options, Signature
from warrener.timing import Timing, timing_of

from .published import Published, call_of
from .schemas import time_view


class ScheduleRequest(BaseModel):
    """What is due when: `cron` with its `tz`, or `every` so many seconds."""

    model_config = ConfigDict(extra="forbid")

    cron: str | None = None
    """Five fields: minute, hour, day, month, weekday."""
    tz: str = "UTC"
    every: int | None = None
    task: Annotated[str, Field(min_length=1, max_length=255)]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    queue: str | None = None
    expires: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds after a tick's submission, from which on its job does not begin."""
    missed: Literal["skip", "once"] | int = "once"
    overlap: Literal["allow", "skip", "queue"] = "allow"

    def scheduled(self, app: Warrener, found: Published, name: str) -> Scheduled:
        """It, its arguments checked. Raises ScheduleError, UnknownTask, InvalidArguments."""
        _, arguments = call_of(app, found, self.task, self.args, self.kwargs)
        options = Options(queue=self.queue, expires=self.expires)
        signature: Signature[Any] = Signature(app, self.task, (), arguments, options)
        return Scheduled(name, self._timing(), signature, self.missed, self.overlap)

    def _timing(self) -> Timing:
        if (self.cron is None) == (self.every is None):
            raise ScheduleError(
                reason="it is not said when it is due", remedy="Give either cron or every"
            )
        if self.cron is None:
            return timing_of({"every": self.every})
        return timing_of({"cron": self.cron, "tz": self.tz})


class NewSchedule(ScheduleRequest):
    """A schedule to make."""

    name: str
    """1 to 128 letters, digits and . _ -"""


class SchedulePatch(BaseModel):
    """Pause or resume."""

    model_config = ConfigDict(extra="forbid")

    paused: bool


class ScheduleView(BaseModel):
    """A schedule, and how far it has come."""

    model_config = ConfigDict(extra="forbid")

    name: str
    source: Literal["code", "store"]
    cron: str | None = None
    tz: str | None = None
    every: int | None = None
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str | None
    expires: float | None
    missed: Literal["skip", "once"] | int
    overlap: Literal["allow", "skip", "queue"]
    paused: bool
    next: datetime | None
    last: datetime | None
    """The last tick that was submitted, and the id of its job."""
    job_id: str | None

    @classmethod
    def of(cls, listed: ListedSchedule) -> ScheduleView:
        """The view of one."""
        facts = listed.facts()
        times = {name: time_view(facts[name]) for name in ("next", "last")}
        return cls.model_validate({**facts, **times})


class UnreadableView(BaseModel):
    """A schedule that no beat submits, since it cannot be read. It can be changed and removed."""

    name: str
    reason: str


class ScheduleList(BaseModel):
    """All schedules. While no beat leads, `leader` is null, and nothing is submitted."""

    leader: str | None
    schedules: list[ScheduleView]
    unreadable: list[UnreadableView]


class FiredView(BaseModel):
    """The job of a schedule that was fired by hand."""

    job_id: str
