"""Delays whose time comes while the broker is away. RabbitMQ starts its queues one after the other, and a
rung of the ladder hands on before the queue behind it is up. What is refused it tries again after a timeout
that private nodes have at 5 s, as deploy/advanced.config has. With its own, 3 minutes, this would fail."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from warrener import State
from warrener_workers.nodes import InstalledRabbit, private_rabbitmq

from . import yard as tasks
from .conftest import Yard, until

# In which order a node starts them depends on its version: of many, some come behind the rung.
QUEUES = [f"{letter}{n}" for letter in "amz" for n in range(6)]
DELAY = 1.6  # one rung's


async def test_what_was_due_while_the_broker_was_away_runs_soon_after(
    tmp_path: Path, redis_url: str, installed_rabbit: InstalledRabbit
) -> None:
    with private_rabbitmq(tmp_path / "rabbitmq", installed=installed_rabbit) as node:
        yard = Yard(node, node.amqp_url, redis_url, tmp_path)
        async with yard.app, yard.worker("-c", "1", queues=QUEUES) as worker:
            # A quorum queue that was declared a moment before the kill may never come back (3.10, 4.0).
            first = [tasks.run.options(queue=q, countdown=1).send(f"first-{q}") for q in QUEUES]
            await yard.ended(*(await asyncio.gather(*first)))
            sent = [tasks.run.options(queue=q, countdown=DELAY).send(f"late-{q}") for q in QUEUES]
            late = await asyncio.gather(*sent)
            node.kill()
            due = time.time() + DELAY
            await until(lambda: time.time() > due, "the time of all")
            node.start()
            await worker.says("consuming again")
            for status in await yard.ended(*late):
                assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        for queue in QUEUES:
            assert yard.events(f"late-{queue}") == [f"start late-{queue}", f"end late-{queue}"]
