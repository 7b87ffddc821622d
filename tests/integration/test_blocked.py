"""A broker that lets nobody publish: submissions end within their deadline and say what may still happen,
what runs is settled, and what is owed waits."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from warrener import PublishTimeout, State, Warrener
from warrener_workers.nodes import InstalledRabbit, private_rabbitmq

from . import yard as tasks
from .conftest import QUEUE, Yard


async def test_an_alarm_delays_and_loses_nothing(
    tmp_path: Path, redis_url: str, installed_rabbit: InstalledRabbit
) -> None:
    with private_rabbitmq(tmp_path / "rabbitmq", installed=installed_rabbit) as node:
        yard = Yard(node, node.amqp_url, redis_url, tmp_path)
        impatient = Warrener(
            amqp_url=node.amqp_url, redis_url=redis_url, publish_timeout=1, default_queue=QUEUE
        )
        async with yard.app, impatient, yard.worker("-c", "3") as worker:
            good = await tasks.wait.send("good", "gate")
            bad = await tasks.gated.send("bad", "gate", 1)
            for name in ("good", "bad"):
                await yard.noted(f"start {name}")
            node.control("set_vm_memory_high_watermark", "0.000001")
            yard.open("gate")
            # Settled on the connection that publishes nothing, and so is not blocked.
            [status] = await yard.ended(good)
            assert status.state is State.SUCCESS
            late = impatient.signature(tasks.run.name, name="late").options(id="late", queue=QUEUE)
            answers = await asyncio.gather(late.send(), late.send(), return_exceptions=True)
            for answer in answers:
                assert isinstance(answer, PublishTimeout)
                assert answer.may_arrive
            node.control("set_vm_memory_high_watermark", "0.4")
            for status in await yard.ended(bad, "late"):
                assert (status.state, status.losses) == (State.SUCCESS, 0)
            again = await tasks.run.options(id="late").send("late")
            await yard.ended(again)
            worker.kill(signal.SIGTERM)
            assert await worker.ended() == 0
    assert yard.events("good") == ["start good", "end good"]
    assert yard.events("bad") == ["start bad", "start bad", "end bad"]
    assert yard.events("late") == ["start late", "end late"]


pytestmark = pytest.mark.timeout(180)
