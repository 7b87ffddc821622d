"""How long RabbitMQ lets a worker hold deliveries: asked for where it can be, named where it cannot, and
survived when it is too short all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from warrener import State
from warrener_workers.arrivals import Arrival
from warrener_workers.consumer import Consumer
from warrener_workers.holding import Holding, consumer_arguments
from warrener_workers.nodes import RabbitNode
from warrener_workers.watchdog import Watchdog

from . import yard as tasks
from .conftest import QUEUE, Yard, until, version_of

PATIENT = "patient"
TAKES_ARGUMENT = (4, 3)


async def _arguments(yard: Yard, *queues: str) -> dict[str, Any]:
    """What the consumers of these queues were started with, once the management API lists them."""

    def listed() -> dict[str, Any]:
        found = yard.rabbit.manage("GET", f"/api/consumers/{yard.vhost}")
        return {one["queue"]["name"]: one["arguments"] or {} for one in found}

    await until(lambda: set(queues) <= set(listed()), "listed consumers")
    return listed()


async def test_each_version_is_asked_for_or_warned_of_what_the_tasks_need(yard: Yard) -> None:
    version = version_of(yard.rabbit)
    queues = (QUEUE, PATIENT, "idle")
    async with yard.worker("-c", "2", "--prefetch", "3", queues=queues) as worker:
        asked = await _arguments(yard, *queues)
    if version >= TAKES_ARGUMENT:
        # Two turns of 3600 s with 5 s for neighbours each, and 300 s for Redis.
        assert asked[PATIENT] == {"x-consumer-timeout": 7_510_000}
        assert asked[QUEUE] == {"x-consumer-timeout": 365 * 86_400_000}
        assert asked["idle"] == {}
        assert "consumer_timeout" not in worker.log
    else:
        assert [asked[queue] for queue in queues] == [{}, {}, {}]
        [line] = [line for line in worker.lines if "consumer_timeout" in line]
        assert f"RabbitMQ {version[0]}.{version[1]} takes back" in line
        assert "which unless configured otherwise is 1800 s" in line
        assert f"'{tasks.__name__}.lasts' on queue '{PATIENT}' may run for 3600 s" in line
        assert "7510000 ms or more" in line
        assert ("a policy with consumer-timeout" in line) == (version >= (3, 12))


@pytest.fixture
def hasty(rabbit: RabbitNode) -> Iterator[None]:
    """A broker that waits for a second and a half, and looks twice a second instead of once a minute."""
    rabbit.control("eval", _SET.format(timeout=1500, tick=500))
    yield
    rabbit.control("eval", _SET.format(timeout=1_800_000, tick=60_000))


_SET = """
application:set_env(rabbit, consumer_timeout, {timeout}),
application:set_env(rabbit, channel_tick_interval, {tick}).
"""


@pytest.mark.usefixtures("hasty")
async def test_a_timeout_of_the_broker_that_fires_costs_no_job_and_none_runs_twice(
    yard: Yard,
) -> None:
    if version_of(yard.rabbit) >= TAKES_ARGUMENT:
        await _nothing_fires(yard)
        return
    async with yard.worker("-c", "3") as worker:
        jobs = [await tasks.wait.send("a", "gate"), await tasks.wait_plain.send("b", "gate")]
        await worker.says("connection to RabbitMQ is lost; connecting again: ")
        assert "delivery acknowledgement on channel 1 timed out" in worker.log
        await worker.says("consuming again")
        await worker.says("it runs in this worker", times=2)
        await yard.ended(await tasks.run.send("meanwhile"))
        yard.open("gate")
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        await worker.says("acknowledged without running", times=2)
    for name in ("a", "b", "meanwhile"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
    assert await yard.waiting(QUEUE) == []


async def _nothing_fires(yard: Yard) -> None:
    """Here the worker has asked for a longer one."""
    async with yard.worker("-c", "3") as worker:
        [status] = await yard.ended(await tasks.nap.send("long", 5))
    assert (status.state, status.losses) == (State.SUCCESS, 0)
    assert yard.events("long") == ["start long", "end long"]
    assert "connecting again" not in worker.log


async def test_a_timeout_of_the_consumer_that_fires_is_survived(yard: Yard) -> None:
    """From 4.3 on RabbitMQ then cancels the consumer, and leaves its channel open."""
    if (version := version_of(yard.rabbit)) < TAKES_ARGUMENT:
        assert not consumer_arguments(Holding("any", 1.0, 1.0), version, yard.app.settings)
        return
    settings, arrivals = yard.app.settings, list[Arrival]()
    watchdog = Watchdog(settings, yard.client.publisher, [QUEUE])
    short = {QUEUE: Holding("any", 1.0, 1.0)}
    consumer = Consumer(settings, "consumer", short, 5, arrivals.extend, watchdog)
    await consumer.start()
    try:
        await tasks.run.send("a")
        await until(lambda: len(arrivals) == 2, "a second delivery")
        (first, _), (second, _) = arrivals
        assert (first.stale, second.stale) == (True, False)
        assert first.message.job_id == second.message.job_id
        await second.acknowledge()
        await tasks.run.send("b")
        await until(lambda: len(arrivals) == 3, "the next job")
        await arrivals[2][0].acknowledge()
    finally:
        await consumer.close()
    assert await yard.waiting(QUEUE) == []
