"""How long a queue's deliveries may be held, and what each version of RabbitMQ is told of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from warrener.priorities import version_of
from warrener.retry import NEVER
from warrener.settings import Settings
from warrener_workers.holding import Holding, consumer_arguments, holdings, warn_of
from warrener_workers.registry import TaskSpec

SETTINGS = Settings(neighbour_grace=5.0)
HOUR = Holding("shop.long", 3600.0, 3905.0)


def _spec(name: str, queue: str, limit: float | None) -> TaskSpec:
    return TaskSpec(name, queue, NEVER.backoff, limit, 3, False)


def test_the_longest_time_limit_of_a_queue_decides() -> None:
    specs = [
        _spec("a", "scan", 60),
        _spec("b", "scan", 3600),
        _spec("c", "scan", 10),
        _spec("d", "other", 9999),
    ]
    assert holdings(specs, ["scan", "idle"], 1, SETTINGS) == {"scan": Holding("b", 3600, 3905)}
    assert holdings(specs, ["scan"], 3, SETTINGS)["scan"].held == 3 * 3605 + 300


def test_a_task_without_a_limit_is_the_longest() -> None:
    specs = [_spec("a", "scan", None), _spec("b", "scan", 3600)]
    assert holdings(specs, ["scan"], 1, SETTINGS)["scan"] == Holding("a", math.inf, math.inf)


@pytest.mark.parametrize(
    "said, version",
    [("3.10.8", (3, 10)), (b"4.3.6", (4, 3)), ("4.3.0-rc.1", (4, 3)), ("", ()), ("main", ())],
)
def test_a_version_is_read_from_what_the_server_says(said: Any, version: tuple[int, ...]) -> None:
    assert version_of({"version": said}) == version


def test_a_server_that_names_no_version_is_taken_for_an_old_one() -> None:
    assert version_of({}) == ()
    assert consumer_arguments(HOUR, (), SETTINGS) == {}


@pytest.mark.parametrize(
    "holding, milliseconds",
    [
        (HOUR, 3_905_000),
        (Holding("a", math.inf, math.inf), 31_536_000_000),
        (Holding("a", 1e12, 1e12), 31_536_000_000),
    ],
)
def test_from_4_3_on_a_consumer_says_what_it_needs(holding: Holding, milliseconds: int) -> None:
    for version in ((4, 3), (4, 10), (5, 0)):
        wanted = consumer_arguments(holding, version, SETTINGS)
        assert wanted == {"x-consumer-timeout": milliseconds}
    assert consumer_arguments(holding, (4, 2), SETTINGS) == {}
    assert consumer_arguments(None, (4, 3), SETTINGS) == {}
    classic = SETTINGS.model_copy(update={"queue_type": "classic"})
    assert consumer_arguments(holding, (4, 3), classic) == {}


@pytest.mark.parametrize(
    "version, timeout, said",
    [
        ((3, 10), None, "which unless configured otherwise is 1800 s"),
        ((4, 0), 3600.0, "which is 3600 s"),
        ((4, 0), 7200.0, None),
        ((4, 3), None, None),
    ],
)
def test_a_broker_whose_timeout_is_shorter_than_a_task_is_named(
    version: tuple[int, ...],
    timeout: float | None,
    said: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn_of({"scan": HOUR}, version, timeout)
    if said is None:
        assert caplog.messages == []
        return
    [message] = caplog.messages
    assert said in message
    assert "jobs of task 'shop.long' on queue 'scan' may run for 3600 s" in message
    assert "to 3905000 ms or more, and WARRENER_CONSUMER_TIMEOUT to its seconds" in message
