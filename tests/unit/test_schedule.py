"""Which ticks run now: what missed= and overlap= mean."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from warrener import ScheduleError, cron, every
from warrener.schedules import Definition, Schedule, tick_id
from warrener.timing import Timing
from warrener_workers.schedule import LATE, Plan, next_due, plan

NOON = 1_777_636_800  # 2026-05-01T12:00:00Z
HOUR = 3600


def hourly(last: float = NOON, timing: Timing | None = None, **facts: Any) -> Schedule:
    known = {name: facts.pop(name) for name in ("paused", "held", "job_id") if name in facts}
    definition = Definition("s", timing or cron("0 * * * *"), "shop.task", **facts)
    schedule = Schedule(definition, False, False, last, None, None, None)
    return replace(schedule, **known)


def test_nothing_is_due_before_its_time() -> None:
    assert plan(hourly(), NOON + HOUR - 1, busy=False) is None
    assert plan(hourly(), NOON + HOUR, busy=False) == Plan((NOON + HOUR,), None, NOON + HOUR)


@pytest.mark.parametrize("missed", ["skip", "once", 1, 5])
def test_a_minute_late_is_on_time(missed: Any) -> None:
    """What a take-over, or a restart of RabbitMQ, costs is no missed tick."""
    now = NOON + HOUR + LATE - 1
    assert plan(hourly(missed=missed), now, busy=False) == Plan((NOON + HOUR,), None, NOON + HOUR)


@pytest.mark.parametrize(
    "missed, runs",
    [("skip", []), ("once", [5]), (1, [5]), (3, [3, 4, 5]), (100, [1, 2, 3, 4, 5])],
)
def test_missed_ticks(missed: Any, runs: list[int]) -> None:
    ticks = tuple(NOON + hours * HOUR for hours in runs)
    after_five = NOON + 5.5 * HOUR
    expected = Plan(ticks, None, NOON + 5 * HOUR)
    assert plan(hourly(missed=missed), after_five, busy=False) == expected
    # Done with: the next look finds nothing.
    assert plan(hourly(last=expected.last, missed=missed), after_five, busy=False) is None


def test_ticks_on_time_run_beside_missed_ones() -> None:
    now = NOON + 5 * HOUR + 1
    found = plan(hourly(missed="skip"), now, busy=False)
    assert found == Plan((NOON + 5 * HOUR,), None, NOON + 5 * HOUR)
    found = plan(hourly(missed="once"), now, busy=False)
    assert found == Plan((NOON + 4 * HOUR, NOON + 5 * HOUR), None, NOON + 5 * HOUR)


def test_overlap_allow_and_skip() -> None:
    now, due = NOON + HOUR, NOON + HOUR
    assert plan(hourly(overlap="allow"), now, busy=True) == Plan((due,), None, due)
    assert plan(hourly(overlap="skip"), now, busy=True) == Plan((), None, due)
    assert plan(hourly(overlap="skip"), now, busy=False) == Plan((due,), None, due)


def test_overlap_queue_holds_the_latest_tick_until_its_predecessor_ends() -> None:
    first, second = NOON + HOUR, NOON + 2 * HOUR
    schedule = hourly(overlap="queue")
    assert plan(schedule, first, busy=True) == Plan((), first, first)
    schedule = replace(schedule, last=first, held=first)
    assert plan(schedule, first + 900, busy=True) is None
    assert plan(schedule, second, busy=True) == Plan((), second, second)
    schedule = replace(schedule, last=second, held=second)
    # However late, it is not a missed one.
    assert plan(schedule, second + 1800, busy=False) == Plan((second,), None, second)


def test_of_several_ticks_that_may_not_overlap_the_first_runs() -> None:
    ticks = [NOON + 5 * n for n in range(1, 4)]
    found = plan(hourly(timing=every(seconds=5), overlap="skip"), NOON + 16, busy=False)
    assert found == Plan((ticks[0],), None, ticks[2])
    found = plan(hourly(timing=every(seconds=5), overlap="queue"), NOON + 16, busy=False)
    assert found == Plan((ticks[0],), ticks[2], ticks[2])


def test_what_is_paused_is_left_alone() -> None:
    paused = hourly(paused=True, held=NOON)
    assert plan(paused, NOON + 5 * HOUR, busy=False) is None
    assert next_due(paused, NOON) is None


@pytest.mark.parametrize("missed", ["skip", 10])
def test_a_year_in_a_second(missed: Any) -> None:
    """Looked at within a minute of each tick of a year, with both changes of clocks, each runs once."""
    schedule = hourly(timing=cron("0 */6 * * *", "Europe/Vienna"), missed=missed)
    ran: list[int] = []
    late = itertools.cycle(range(0, 59, 7))
    while (now := (next_due(schedule, NOON) or 0) + next(late)) < NOON + 365 * 24 * HOUR:
        todo = plan(schedule, now, busy=False)
        assert todo is not None
        ran += todo.run
        schedule = replace(schedule, last=todo.last)
    assert len(ran) == len(set(ran)) == 365 * 4
    assert ran == sorted(ran)


@pytest.mark.parametrize(
    "facts",
    [{"missed": "twice"}, {"missed": 0}, {"missed": 1001}, {"missed": True}, {"overlap": "wait"}],
)
def test_policies_that_are_none(facts: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError, match="is no policy"):
        hourly(**facts)


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".", "x" * 129, "ü"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ScheduleError, match="is no name of a schedule"):
        Definition(name, every(hours=1), "shop.task")


def test_a_definition_comes_back_from_json() -> None:
    definition = Definition(
        "s", cron("0 2 * * 1", "Europe/Vienna"), "t", [2**70], {"a": []}, "q", 5.0, 7, "queue"
    )
    assert Definition.from_json(definition.to_json()) == definition


def test_a_ticks_job_is_its_own() -> None:
    ids = {
        tick_id(*parts) for parts in [("a", "s", 1), ("b", "s", 1), ("a", "t", 1), ("a", "s", 2)]
    }
    assert len(ids) == 4
    assert tick_id("a", "s", 1) == tick_id("a", "s", 1)


@pytest.mark.parametrize(
    "text, said",
    [
        (b"no JSON", "the store's definition of it is none"),
        (b'"text"', "the store's definition of it is none"),
        (b"{}", "the store's definition of it is none"),
        (b'{"name":"s","timing":{"every":60}}', "the store's definition of it is none"),
        (b'{"name":"s","task":"t","timing":{"moon":"full"}}', "it does not say when it is due"),
        (b'{"name":"s","task":"t","timing":{"cron":"0 * * * *","tz":"Mars/Base"}}', "'Mars/Base'"),
        (
            b'{"name":"s","task":"t","timing":{"every":60},"overlap":"twice"}',
            "'twice' is no policy",
        ),
    ],
)
def test_a_definition_that_cannot_be_read_says_why(text: bytes, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        Definition.from_json(text)
