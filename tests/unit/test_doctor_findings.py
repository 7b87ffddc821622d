"""What the doctor concludes from facts."""

from __future__ import annotations

from typing import Any

import pytest

from warrener import Settings, topology
from warrener.presence import Presence
from warrener.topology import Binding
from warrener_workers.doctor import broker, store, timeouts
from warrener_workers.doctor.broker import BrokerFacts, Managed
from warrener_workers.doctor.findings import Finding, Level, versions
from warrener_workers.doctor.management import guessed
from warrener_workers.doctor.timeouts import TaskFacts


def levels(found: list[Finding]) -> list[str]:
    return [one.level.value for one in found]


@pytest.mark.parametrize(
    "text, level",
    [
        ("3.9.29", "problem"),
        ("3.10.8", "ok"),
        ("4.3.6", "ok"),
        ("5.0.0", "warning"),
        ("?", "warning"),
    ],
)
def test_a_version_is_too_old_supported_or_untried(text: str, level: str) -> None:
    assert levels(versions("RabbitMQ", text, broker.OLDEST, broker.NEWEST, "why")) == [level]


# Time limits -----------------------------------------------------------------------------------------

HOUR = TaskFacts("hour", "q", 3600.0)
MINUTE = TaskFacts("minute", "q", 60.0)
ENDLESS = TaskFacts("endless", "q", None)


def _facts(version: str = "3.10.8", milliseconds: int | None = None) -> BrokerFacts:
    policies: list[Any] = []
    if milliseconds:
        policies.append({"pattern": "^q$", "definition": {"consumer-timeout": milliseconds}})
    return BrokerFacts(version, {}, {}, managed=Managed([], policies, frozenset()))


@pytest.mark.parametrize(
    "version, by_policy, server, level",
    [
        ("3.10.8", None, None, "warning"),  # 30 minutes, unless the server says otherwise
        ("3.10.8", None, 1800.0, "problem"),
        ("3.10.8", None, 14_400.0, "ok"),
        ("3.10.8", 14_400_000, 1800.0, "problem"),  # taken and ignored there
        ("4.0.5", 14_400_000, 1800.0, "ok"),
        ("4.0.5", 60_000, 14_400.0, "problem"),
    ],
)
def test_a_consumer_timeout_below_a_time_limit(
    version: str, by_policy: int | None, server: float | None, level: str
) -> None:
    [found] = timeouts.findings(_facts(version, by_policy), [HOUR], "quorum", server)
    assert found.level == level
    assert level == "ok" or "consumer_timeout" in found.remedy


def test_a_task_without_a_time_limit_is_told_of_the_timeout() -> None:
    [found] = timeouts.findings(_facts(), [ENDLESS], "quorum", 14_400.0)
    assert found.level is Level.WARNING
    assert "14400 s" in found.what


def test_classic_queues_have_no_consumer_timeout_from_4_3_on() -> None:
    assert timeouts.findings(_facts("4.3.6"), [HOUR], "classic", 60.0) == []


def test_jobs_without_end_beside_short_ones_pin_a_quorum_queue() -> None:
    assert levels(timeouts.pinned("q", [ENDLESS, MINUTE], "quorum")) == ["warning"]
    assert timeouts.pinned("q", [ENDLESS, HOUR], "quorum") == []
    assert timeouts.pinned("q", [ENDLESS, MINUTE], "classic") == []


# Policies and bindings -------------------------------------------------------------------------------


def _policy(**facts: Any) -> dict[str, Any]:
    return {"name": "p", "pattern": ".*", "definition": {"max-length": 5}, **facts}


def test_of_several_policies_the_highest_priority_counts() -> None:
    harmless = _policy(priority=2, definition={"consumer-timeout": 5})
    assert levels(broker.policies([_policy(priority=1), harmless], {"q": "quorum"})) == ["ok"]
    assert levels(broker.policies([_policy(priority=3), harmless], {"q": "quorum"})) == ["problem"]


@pytest.mark.parametrize(
    "policy, level",
    [
        (_policy(pattern="^other$"), "ok"),
        (_policy(**{"apply-to": "exchanges"}), "ok"),
        (_policy(**{"apply-to": "classic_queues"}), "ok"),
        (_policy(**{"apply-to": "quorum_queues"}), "problem"),
        (_policy(pattern="(?>x)[", definition={"expires": 1}), "ok"),  # no expression of Python's
        (_policy(operator=True), "problem"),
    ],
)
def test_a_policy_counts_where_it_applies(policy: dict[str, Any], level: str) -> None:
    assert levels(broker.policies([policy], {"q": "quorum"})) == [level]


def test_every_key_that_does_harm_says_which() -> None:
    definition = dict.fromkeys(broker.HARMFUL, 5)
    found = broker.policies([_policy(definition=definition)], {"q": "quorum"})
    assert {one.why for one in found} == set(broker.HARMFUL.values())


def test_a_binding_of_a_migration_is_told_from_foreign_ones() -> None:
    wanted = topology.stage(Settings(), "q")
    moving = Binding("warrener.jobs", "q", queue="warrener.moving.q")
    seen = frozenset({*wanted.bindings, moving})
    assert levels(broker.bindings(seen, wanted, "warrener")) == ["ok"]
    foreign = Binding("warrener.jobs", "q", queue="audit")
    [found] = broker.bindings(frozenset({*wanted.bindings, foreign}), wanted, "warrener")
    assert "copies" in found.why
    other = topology.stage(Settings(), "of.another.app")
    seen = frozenset({*wanted.bindings, *other.bindings})
    assert levels(broker.bindings(seen, wanted, "warrener")) == ["ok"]


@pytest.mark.parametrize(
    "amqp, management",
    [
        ("amqp://u:p@broker/v", "http://u:p@broker:15672"),
        ("amqp://broker:5673", "http://guest:guest@broker:15673"),
        ("amqps://u:p@broker", "https://u:p@broker:15671"),
    ],
)
def test_the_management_api_is_guessed(amqp: str, management: str) -> None:
    assert guessed(amqp).rstrip("/") == management


# Redis and clocks ------------------------------------------------------------------------------------


def test_snapshots_that_nobody_could_ask_for_are_not_claimed() -> None:
    assert levels(store.persistence({"aof_enabled": 0}, {})) == ["warning"]
    assert levels(store.persistence({"aof_enabled": 0}, {"save": ""})) == ["problem"]
    assert levels(store.persistence({"aof_enabled": 1}, {"appendfsync": "no"})) == ["warning"]


def test_data_that_could_not_be_written_is_a_problem() -> None:
    info = {"aof_enabled": 1, "aof_last_write_status": "err"}
    assert levels(store.persistence(info, {})) == ["problem"]


@pytest.mark.parametrize("used, level", [(50, "ok"), (80, "warning"), (95, "problem")])
@pytest.mark.parametrize("limit", ["maxmemory", "total_system_memory"])
def test_memory_that_runs_out(limit: str, used: int, level: str) -> None:
    assert levels(store.memory({limit: 100, "used_memory": used})) == [level]


def test_a_node_of_a_cluster_is_a_problem() -> None:
    assert levels(store.role({"role": "master", "cluster_enabled": 1})) == ["problem"]


@pytest.mark.parametrize("skew, level", [(0.5, "ok"), (-5.0, "warning"), (90.0, "problem")])
def test_a_clock_that_differs(skew: float, level: str) -> None:
    assert levels(store.clock(skew)) == [level]


@pytest.mark.parametrize(
    "seen, said",
    [
        (1000.0, None),
        (991.5, None),  # a beat that was late, no clock
        (1005.0, "5.0 s ahead"),
        (980.0, "11.0 s behind"),
    ],
)
def test_a_workers_clock_is_judged_by_no_more_than_can_be_known(
    seen: float, said: str | None
) -> None:
    one = Presence("o", "heavy", "host", 1, "", [], "", 1, 0.0, seen)
    found = [said.what for said in store.workers_clocks([one], 1000.0, 9.0)]
    whole = f"the clock of worker heavy (host) is at least {said} Redis's" if said else ""
    assert found == [line for line in [whole.replace("ahead", "ahead of")] if line]
