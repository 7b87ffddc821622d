"""`warrener doctor` on real servers: what is wrong is found, and what cannot be seen is not claimed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from warrener import every, topology
from warrener.client import Client
from warrener.schedules import Definition, ScheduleBook
from warrener_workers.nodes import RedisNode, private_redis

from . import yard as tasks
from .conftest import APP, QUEUE, Yard

PROBLEM = 9


async def doctor(
    yard: Yard, *options: str, **environment: str
) -> tuple[int, dict[str, dict[str, str]]]:
    """Its exit code, and its findings by what they say."""
    options = ("--json", "--app", APP, "--consumer-timeout", "14400", *options)
    environment = {"WARRENER_MANAGEMENT_URL": yard.rabbit.management_url, **environment}
    async with yard.running("doctor", *options, **environment) as run:
        code = await run.ended()
    text = run.log.removesuffix("\n(end of output)")
    return code, {one["what"]: one for one in json.loads(text)}


def problems(found: dict[str, dict[str, str]]) -> list[str]:
    return [what for what, one in found.items() if one["level"] == "problem"]


async def declared(yard: Yard, *queues: str) -> None:
    settings = yard.app.settings
    stages = [topology.stage(settings, queue) for queue in (QUEUE, *queues)]
    async with yard.client.publisher.own_channel() as channel:
        await topology.declare(channel, [topology.shared(settings), *stages])


async def test_a_healthy_place_has_no_problem(yard: Yard) -> None:
    async with yard.worker(queues=(QUEUE, "patient")):
        code, found = await doctor(yard)
    assert (code, problems(found)) == (0, [])
    version = yard.rabbit.manage("GET", "/api/overview")["rabbitmq_version"]
    for what in (
        f"RabbitMQ {version}",
        "RabbitMQ has no alarm",
        "exchanges and queues are as declared",
        "bindings are as declared",
        "no policy limits a queue of ours",
        "Redis persists: append-only file",
        "this machine's clock agrees with Redis's",
    ):
        assert found[what]["level"] == "ok", found


async def test_nothing_is_declared_by_looking(yard: Yard) -> None:
    code, found = await doctor(yard)
    assert code == PROBLEM
    [missing] = [what for what in problems(found) if what.startswith("missing: ")]
    assert "exchange warrener.undelivered" in missing
    assert yard.rabbit.manage("GET", f"/api/queues/{yard.vhost}") == []


async def test_drift_is_named(yard: Yard) -> None:
    await declared(yard)
    async with yard.client.publisher.own_channel() as channel:
        await channel.queue_delete(QUEUE)
        await channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "classic"})
        await channel.exchange_unbind(
            "warrener.delay.02", "warrener.delay.03", routing_key="*." * 24 + "0.#"
        )
        await channel.queue_declare("audit", durable=True)
        await channel.queue_bind("audit", "warrener.jobs", routing_key="#")
    code, found = await doctor(yard)
    assert code == PROBLEM
    differs = found[f"queue {QUEUE} has other arguments"]
    assert (differs["level"], "exists on the broker with x-" in differs["why"]) == ("problem", True)
    [missing] = [what for what in problems(found) if what.startswith("missing bindings")]
    assert "warrener.delay.03 → warrener.delay.02" in missing
    assert found["audit is bound as well"]["level"] == "warning"


@pytest.mark.parametrize(
    "kind, key, pattern",
    [
        ("policies", "max-length", f"^{QUEUE}$"),
        ("policies", "message-ttl", "delay"),
        ("operator-policies", "delivery-limit", "dead$"),
    ],
)
async def test_policies_that_break_a_promise_are_named(
    yard: Yard, kind: str, key: str, pattern: str
) -> None:
    await declared(yard)
    policy = {"pattern": pattern, "definition": {key: 5}, "apply-to": "queues"}
    yard.rabbit.manage("PUT", f"/api/{kind}/{yard.vhost}/bad", policy)
    code, found = await doctor(yard)
    assert code == PROBLEM
    [what] = problems(found)
    assert what.startswith(f"policy bad sets {key} = 5 on ")
    assert found[what]["remedy"]


async def test_an_alarm_is_named(yard: Yard) -> None:
    await declared(yard)
    yard.rabbit.control("set_vm_memory_high_watermark", "0.000001")
    try:
        code, found = await doctor(yard)
    finally:
        yard.rabbit.control("set_vm_memory_high_watermark", "0.4")
    assert code == PROBLEM
    assert any(what.startswith("RabbitMQ has an alarm") for what in problems(found)), found


async def test_messages_that_nobody_takes_are_named(yard: Yard) -> None:
    await declared(yard)
    await yard.publish(b"{}", type="x", correlation_id="a")
    code, found = await doctor(yard)
    assert code == 0
    assert found[f"queue {QUEUE} has no consumer"]["level"] == "warning"


async def test_unfinished_jobs_of_a_queue_that_was_deleted_are_named(yard: Yard) -> None:
    await declared(yard, "other")
    kept = await tasks.run.send("kept")
    lost = await tasks.run.options(queue="other").send("lost")
    async with yard.client.publisher.own_channel() as channel:
        await channel.queue_delete("other")
    code, found = await doctor(yard)
    assert code == PROBLEM
    [orphans] = problems(found)
    assert orphans == "1 unfinished job(s) of the queue other, which does not exist"
    assert (await yard.status(kept)).queue == QUEUE
    assert await lost.revoke(reason="record_lost") is True
    _, found = await doctor(yard)
    assert problems(found) == []


async def test_a_migration_that_is_half_way_is_named(yard: Yard) -> None:
    await declared(yard)
    async with yard.client.publisher.own_channel() as channel:
        await channel.queue_declare(f"warrener.moving.{QUEUE}", durable=True)
    code, found = await doctor(yard)
    assert code == PROBLEM
    assert f"migrate {QUEUE}" in found[f"the migration of {QUEUE} is half-way"]["remedy"]


@pytest.mark.parametrize(
    "url, why",
    [
        ("http://guest:guest@127.0.0.1:1", "nobody answers as RabbitMQ"),
        ("http://guest:wrong@127.0.0.1:{port}", "answered 401"),
    ],
)
async def test_what_cannot_be_seen_is_not_claimed(yard: Yard, url: str, why: str) -> None:
    await declared(yard)
    port = yard.rabbit.management_url.rsplit(":", 1)[1]
    code, found = await doctor(yard, WARRENER_MANAGEMENT_URL=url.format(port=port))
    assert code == 0
    unseen = found["not looked at: RabbitMQ's alarms, policies and bindings"]
    assert (unseen["level"], why in unseen["why"]) == ("warning", True)
    assert not any("alarm" in what for what, one in found.items() if one["level"] == "ok")
    assert "wrong" not in json.dumps(found)


async def test_the_text_is_for_people_and_names_a_server_that_is_away(yard: Yard) -> None:
    async with yard.running(
        "doctor", "--app", APP, WARRENER_AMQP_URL="amqp://guest:guest@127.0.0.1:1/"
    ) as run:
        assert await run.ended() == PROBLEM
    assert "problem  RabbitMQ cannot be looked at" in run.log
    assert "ok       Redis persists: append-only file" in run.log
    async with yard.running("doctor", WARRENER_REDIS_URL="redis://127.0.0.1:1/0") as run:
        assert await run.ended() == PROBLEM
    assert "problem  Redis does not answer" in run.log


# Redis -----------------------------------------------------------------------------------------------


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisNode]:
    """One whose settings may be spoilt."""
    with private_redis(tmp_path / "own") as node:
        yield node


def _forgetful(client: redis.Redis) -> None:
    client.config_set("appendonly", "no")
    client.config_set("save", "")


def _snapshots(client: redis.Redis) -> None:
    client.config_set("appendonly", "no")
    client.config_set("save", "3600 1")


def _evicting(client: redis.Redis) -> None:
    client.config_set("maxmemory", "100mb")
    client.config_set("maxmemory-policy", "allkeys-lru")


def _full(client: redis.Redis) -> None:
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.05))


def _replica(client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", "1")


@pytest.mark.parametrize(
    "spoil, level, what",
    [
        (_forgetful, "problem", "Redis persists nothing"),
        (_snapshots, "warning", "Redis keeps snapshots only"),
        (_evicting, "problem", "Redis evicts keys (allkeys-lru)"),
        (_full, "problem", "Redis uses "),
        (_replica, "problem", "Redis is a replica"),
    ],
)
async def test_a_redis_that_cannot_keep_promises_is_named(
    yard: Yard, own_redis: RedisNode, spoil: Callable[[Any], None], level: str, what: str
) -> None:
    await declared(yard)
    with redis.Redis.from_url(own_redis.url) as client:
        spoil(client)
    code, found = await doctor(yard, WARRENER_REDIS_URL=own_redis.url)
    [one] = [finding for text, finding in found.items() if text.startswith(what)]
    assert (one["level"], code) == (level, PROBLEM if level == "problem" else 0)
    assert one["remedy"]


_AHEAD = """
import time
real = time.time
time.time = lambda: real() + 120
"""
"""A machine whose clock is two minutes ahead: Python imports it as it starts."""


async def test_clocks_timeouts_and_schedules_that_break_a_promise_are_named(
    yard: Yard, own_redis: RedisNode, tmp_path: Path
) -> None:
    await declared(yard, "patient")
    (tmp_path / "sitecustomize.py").write_text(_AHEAD)
    with redis.Redis.from_url(own_redis.url) as server:
        server.config_set("appendfsync", "no")
    settings = yard.app.settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})
    client = Client(settings, ())
    nightly = Definition("nightly", every(hours=24), tasks.run.name, ["a"])
    await ScheduleBook(settings, client.store).add(nightly, client.clock())
    await client.close()
    options = ("--consumer-timeout", "600")
    more = {"WARRENER_REDIS_URL": own_redis.url, "PYTHONPATH": str(tmp_path)}
    code, found = await doctor(yard, *options, **more)
    assert code == PROBLEM
    for level, words in (
        ("problem", ("this machine's clock is ", "s ahead of Redis's")),
        ("problem", (f"jobs of {tasks.lasts.name} may outlast", "patient (600 s)")),
        ("warning", (f"on {QUEUE} have no time limit", "the consumer timeout is 600 s")),
        ("warning", ("(no time limit) and ", f"(short) share the queue {QUEUE}")),
        ("warning", ("Redis never syncs its append-only file",)),
        ("problem", ("no beat leads",)),
    ):
        [one] = [one for what, one in found.items() if all(word in what for word in words)]
        assert (one["level"], bool(one["remedy"])) == (level, True), one


async def test_commands_that_redis_refuses_are_not_claimed(
    yard: Yard, own_redis: RedisNode
) -> None:
    await declared(yard)
    with redis.Redis.from_url(own_redis.url) as client:
        client.acl_setuser(
            "watched",
            enabled=True,
            passwords=["+pw"],
            keys=["*"],
            channels=["*"],
            commands=["+@all", "-config", "-info"],
        )
    url = own_redis.url.replace("redis://", "redis://watched:pw@")
    code, found = await doctor(yard, WARRENER_REDIS_URL=url)
    assert code == 0
    assert found["not looked at: Redis INFO"]["level"] == "warning"
    assert "Redis persists: append-only file" not in found
