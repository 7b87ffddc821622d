"""When schedules are due: cron expressions over clock changes in three zones, and intervals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import strategies as st

from warrener import ScheduleError, cron, every
from warrener.timing import Timing, next_after, times_between, timing_of

VIENNA, NEW_YORK, LORD_HOWE = "Europe/Vienna", "America/New_York", "Australia/Lord_Howe"
YEAR = 366 * 86_400


def at(text: str, tz: str = "UTC") -> float:
    """The Unix time of a moment as clocks in `tz` show it; a Z at its end means the second time."""
    moment = datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=ZoneInfo(tz))
    return moment.replace(fold=int(text.endswith("Z"))).timestamp()


def shown(timing: Timing, start: str, count: int, tz: str) -> list[str]:
    """The next times as clocks in `tz` show them, with their offset."""
    found = []
    for due in timing.after(at(start, tz)):
        found.append(datetime.fromtimestamp(due, ZoneInfo(tz)).strftime("%d %H:%M%z"))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize(
    "tz, expression, start, expected",
    [
        # Clocks are put forward: 02:00 is 03:00. A fixed time in the gap is due when it ends.
        (VIENNA, "30 2 * * *", "2026-03-28T12:00", ["29 03:00+0200", "30 02:30+0200"]),
        (NEW_YORK, "30 2 * * *", "2026-03-07T12:00", ["08 03:00-0400", "09 02:30-0400"]),
        # Half an hour: 02:00 is 02:30.
        (LORD_HOWE, "15 2 * * *", "2026-10-03T12:00", ["04 02:30+1100", "05 02:15+1100"]),
        # With a star it is due whenever a clock shows it, and no clock shows 02:xx.
        (VIENNA, "0 * * * *", "2026-03-29T00:30", ["29 01:00+0100", "29 03:00+0200"]),
        (NEW_YORK, "30 */2 * * *", "2026-03-08T00:00", ["08 00:30-0500", "08 04:30-0400"]),
        # Clocks are put back: 03:00 is 02:00 again. A fixed time comes once, the first time.
        (VIENNA, "30 2 * * *", "2026-10-24T12:00", ["25 02:30+0200", "26 02:30+0100"]),
        (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["01 01:30-0400", "02 01:30-0500"]),
        (LORD_HOWE, "45 1 * * *", "2026-04-04T12:00", ["05 01:45+1100", "06 01:45+1030"]),
        # Seen from between the two, it has been.
        (VIENNA, "30 2 * * *", "2026-10-25T02:10Z", ["26 02:30+0100", "27 02:30+0100"]),
        # With a star both are due: an hourly job is hourly.
        (
            VIENNA,
            "0 * * * *",
            "2026-10-25T01:30",
            ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"],
        ),
    ],
)
def test_gaps_and_folds(tz: str, expression: str, start: str, expected: list[str]) -> None:
    assert shown(cron(expression, tz), start, len(expected), tz) == expected


@pytest.mark.parametrize("tz", ["UTC", VIENNA, NEW_YORK])
def test_a_year_of_hours_has_them_all(tz: str) -> None:
    start = at("2026-01-01T00:30", tz)
    found = list(takewhile(lambda due: due < start + YEAR, cron("0 * * * *", tz).after(start)))
    assert len(found) == 366 * 24
    assert {b - a for a, b in pairwise(found)} == {3600}


@pytest.mark.parametrize("tz", [VIENNA, NEW_YORK, LORD_HOWE])
@pytest.mark.parametrize("time", ["0 0", "30 1", "15 2", "30 2", "0 3"])
def test_a_year_of_days_has_each_once(tz: str, time: str) -> None:
    start = at("2026-01-01T12:00", tz)
    due = cron(f"{time} * * *", tz).after(start)
    days = [datetime.fromtimestamp(t, ZoneInfo(tz)).date() for t in takewhile_year(due, start)]
    assert len(days) == 365
    assert {(b - a).days for a, b in pairwise(days)} == {1}


def takewhile_year(due: Iterator[int], start: float) -> list[int]:
    end = start + 365 * 86_400
    return list(takewhile(lambda t: t < end, due))


SOME = [
    cron("0 * * * *", VIENNA),
    cron("*/7 * * * *", LORD_HOWE),
    cron("30 2 * * *", VIENNA),
    cron("15,45 1-3 * * *", LORD_HOWE),
    cron("0 */3 * * *", NEW_YORK),
    cron("30 1,2 * * 0", NEW_YORK),
    every(minutes=5),
    every(hours=7),
]
AROUND = [at("2026-03-29T00:00"), at("2026-10-25T00:00"), at("2026-03-08T06:00")]
AROUND += [at("2026-11-01T05:00"), at("2026-04-04T14:00"), at("2026-10-03T15:00")]


@hypothesis.given(
    st.sampled_from(SOME), st.sampled_from(AROUND), st.integers(-7200, 7200), st.integers(1, 20)
)
def test_from_wherever_one_looks_the_times_are_the_same(
    timing: Timing, around: float, offset: int, most: int
) -> None:
    every_one = list(takewhile(lambda t: t < around + 86_400, timing.after(around - 86_400)))
    assert every_one == sorted(set(every_one))
    moment = around + offset
    later = [t for t in every_one if t > moment]
    if later:
        assert next_after(timing, moment) == later[0]
    between = [t for t in every_one if t <= moment]
    assert times_between(timing, around - 86_400, moment, most) == between[-most:]


def test_an_interval_stands_on_whole_multiples() -> None:
    assert next_after(every(minutes=5), at("2026-05-01T10:01")) == at("2026-05-01T10:05")
    assert next_after(every(minutes=5), at("2026-05-01T10:05")) == at("2026-05-01T10:10")
    assert next_after(every(days=1), at("2026-05-01T10:05")) == at("2026-05-02T00:00")


def test_the_cost_of_a_long_absence_is_that_of_what_is_wanted() -> None:
    # Of a thousand years, at each second: counting them would take hours.
    end = at("2026-05-01T00:00")
    assert times_between(every(seconds=1), -30_000_000_000, end, 3) == [end - 2, end - 1, end]
    assert times_between(cron("* * * * *"), 0, end, 2) == [end - 60, end]


@pytest.mark.parametrize(
    "expression, tz, said",
    [
        ("0 * * *", "UTC", "it must have five fields"),
        ("0 0 * * * *", "UTC", "it must have five fields"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 30 2 *", "UTC", "Bad day-of-month"),
        ("@daily", "UTC", "it must have five fields"),
        ("0 * * * *", "Europe/Wien", "'Europe/Wien' is no time zone"),
        ("0 * * * *", "", "'' is no time zone"),
        ("0 * * * *", "../etc/passwd", "is no time zone"),
    ],
)
def test_what_is_no_cron_expression_says_so(expression: str, tz: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        cron(expression, tz)


@pytest.mark.parametrize("seconds", [0, -1, 367 * 86_400, 0.5, True])
def test_what_is_no_interval_says_so(seconds: int) -> None:
    with pytest.raises(ScheduleError, match="interval"):
        timing_of({"every": seconds})


@pytest.mark.parametrize("timing", SOME, ids=str)
def test_a_timing_comes_back_from_json(timing: Timing) -> None:
    assert timing_of(timing.to_json()) == timing


def test_moments_are_unix_times() -> None:
    # A naive datetime cannot even be asked about; the zone is the timing's own.
    moment = datetime(2026, 5, 1, 10, 30, tzinfo=UTC).timestamp()
    assert next_after(cron("0 12 * * *", VIENNA), moment) == at("2026-05-02T10:00")
