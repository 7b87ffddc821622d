"""When a schedule is due: cron expressions in a time zone, and intervals. Pure: the time is passed in."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

from cronsim import CronSim, CronSimError

from .errors import ScheduleError

HOUR = 3600.0
FIELDS = 5


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields, as Debian's cron reads it, in a time zone; see cron()."""

    expression: str
    tz: str = "UTC"

    def __post_init__(self) -> None:
        if len(str(self.expression).split()) != FIELDS:
            raise self._no_cron("it must have five fields: minute hour day month weekday")
        _ = self.zone
        try:
            CronSim(self.expression, datetime(2024, 1, 1, tzinfo=UTC))
        except (CronSimError, ValueError) as error:
            raise self._no_cron(str(error) or "it cannot be read") from error
        if next(self.after(0.0), None) is None:
            raise self._no_cron("it is never due")

    def _no_cron(self, reason: str) -> ScheduleError:
        reason = f"{self.expression!r} is no cron expression: {reason}"
        return ScheduleError(reason=reason, remedy="Use five fields, such as 0 * * * * for hourly")

    @cached_property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone. Raises ScheduleError for a name that is none."""
        try:
            return zoneinfo.ZoneInfo(self.tz)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
            raise ScheduleError(
                reason=f"{self.tz!r} is no time zone",
                remedy="Use a name of the IANA database, such as Europe/Vienna",
            ) from error

    def after(self, moment: float) -> Iterator[int]:
        """The Unix times after `moment` at which it is due, in order, without end."""
        start = datetime.fromtimestamp(moment, UTC).astimezone(self.zone)
        last = moment
        for found in CronSim(self.expression, start):
            due = int(found.timestamp())
            # In the hour that a clock goes through twice, cronsim begins with the first of both.
            if due > last:
                last = due
                yield due

    def to_json(self) -> dict[str, Any]:
        """As the store and HTTP have it."""
        return {"cron": self.expression, "tz": self.tz}

    def __str__(self) -> str:
        return f"{self.expression} ({self.tz})"


@dataclass(frozen=True)
class Every:
    """Each whole multiple of so many seconds since 1970, in UTC; see every()."""

    seconds: int

    def __post_init__(self) -> None:
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int):
            reason = f"an interval of {self.seconds!r} seconds is none"
            raise ScheduleError(reason=reason, remedy="Use whole seconds")
        if not 1 <= self.seconds <= 366 * 24 * HOUR:
            reason = f"an interval of {self.seconds} seconds is not possible"
            raise ScheduleError(reason=reason, remedy="Use from 1 second to 366 days")

    def after(self, moment: float) -> Iterator[int]:
        """The Unix times after `moment` at which it is due, in order, without end."""
        due = int(moment // self.seconds) * self.seconds
        while True:
            due += self.seconds
            yield due

    def to_json(self) -> dict[str, Any]:
        """As the store and HTTP have it."""
        return {"every": self.seconds}

    def __str__(self) -> str:
        return f"every {self.seconds} s"


Timing = Cron | Every


def cron(expression: str, tz: str = "UTC") -> Cron:
    """Due when the clocks in `tz`, a name of the IANA database, match the five fields: minute, hour, day,
    month, weekday. Where a clock is put forward or back, Debian's rules hold: if minute and hour are both
    fixed, a time that does not exist is due when the gap ends, and one that comes twice is due the
    first time; if either begins with `*`, it is due whenever a clock shows it. Raises ScheduleError."""
    return Cron(expression, tz)


def every(*, days: int = 0, hours: int = 0, minutes: int = 0, seconds: int = 0) -> Every:
    """Due at each whole multiple of this interval since 1970, in UTC: every(minutes=5) at :00, :05, :10.
    So restarts, and several beats, agree without a word. Raises ScheduleError."""
    return Every(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def timing_of(facts: dict[str, Any]) -> Timing:
    """The opposite of to_json. Raises ScheduleError."""
    match facts:
        case {"cron": str(expression), **rest} if rest.keys() <= {"tz"}:
            return Cron(expression, rest.get("tz", "UTC"))
        case {"every": seconds}:
            return Every(seconds)
    raise ScheduleError(reason="it does not say when it is due", remedy="Give either cron or every")


@lru_cache(maxsize=4096)
def next_after(timing: Timing, moment: float) -> int | None:
    """The first time after `moment`; None if there is none for 50 years."""
    return next(timing.after(moment), None)


def times_between(timing: Timing, start: float, end: float, most: int) -> list[int]:
    """The times after `start` and not after `end`: the last `most` of them. Its cost depends on `most`
    alone, however long beat was away."""
    if end <= start or most <= 0:
        return []
    if isinstance(timing, Every):
        start = max(start, end - (most + 1) * timing.seconds)
    window = HOUR
    while True:
        found = []
        for due in timing.after(max(start, end - window)):
            if due > end:
                break
            found.append(due)
        if len(found) >= most or end - window <= start:
            return found[-most:]
        window *= 4
