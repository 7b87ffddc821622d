"""A job that runs longer than the broker lets a consumer hold a message."""

from __future__ import annotations

from pathlib import Path

from warrener import State
from warrener_workers.nodes import InstalledRabbit, private_rabbitmq

from . import yard as tasks
from .conftest import Yard

# Milliseconds. The ticks are when 3.10 and 4.0 (of a channel), and 4.3 (of a queue) look at the clock.
IMPATIENT = """
    [application:set_env(rabbit, Name, Value) || {Name, Value} <- [
        {consumer_timeout, 2000}, {channel_tick_interval, 500}, {quorum_tick_interval, 500}]].
"""


async def test_a_job_that_outlasts_the_consumer_timeout_runs_once(
    tmp_path: Path, redis_url: str, installed_rabbit: InstalledRabbit
) -> None:
    with private_rabbitmq(tmp_path / "rabbitmq", installed=installed_rabbit) as node:
        node.control("eval", IMPATIENT)
        yard = Yard(node, node.amqp_url, redis_url, tmp_path)
        async with yard.app, yard.worker("-c", "2") as worker:
            job = await tasks.wait.send("long", "gate")
            await yard.noted("start long")
            await worker.says("consuming again")
            await worker.says("it runs in this worker")
            short = await tasks.run.send("short")
            await yard.ended(short)
            yard.open("gate")
            for status in await yard.ended(job, short):
                assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
            await worker.says("acknowledged without running")
            await yard.ended(await tasks.run.send("later"))
    for name in ("long", "short", "later"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
