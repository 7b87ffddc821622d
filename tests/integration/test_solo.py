"""-P solo: user code in the main thread, RabbitMQ on another."""

from __future__ import annotations

import signal

import psutil
from yarl import URL

from tests.support import Running
from warrener import State

from . import yard as tasks
from .conftest import QUEUE, Yard


def _connections(yard: Yard, worker: Running) -> set[int]:
    """The worker's connections to RabbitMQ, each by its own port."""
    broker = URL(yard.amqp_url).port
    found = psutil.Process(worker.process.pid).net_connections("tcp")
    return {
        one.laddr.port
        for one in found
        if one.status == psutil.CONN_ESTABLISHED and one.raddr.port == broker
    }


async def test_jobs_run_one_at_a_time_in_the_workers_own_process(yard: Yard) -> None:
    async with yard.worker("-P", "solo") as worker:
        jobs = [await tasks.run.send("a"), await tasks.nap.send("b", 0.1)]
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt) == (State.SUCCESS, 1)
        assert {*yard.pids("start a"), *yard.pids("start b")} == {worker.process.pid}
        retried = await tasks.fails.send("c", 1)
        [status] = await yard.ended(retried)
        assert (status.state, status.attempt) == (State.SUCCESS, 2)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    assert yard.events("lifespan") == ["enter lifespan", "leave lifespan"]
    assert await yard.waiting(QUEUE) == []


async def test_a_running_job_finishes_before_a_solo_worker_stops(yard: Yard) -> None:
    async with yard.worker("-P", "solo") as worker:
        job = await tasks.wait_plain.send("a", "gate")
        await yard.noted("start a")
        worker.kill(signal.SIGTERM)
        await worker.says("finishing ")
        yard.open("gate")
        assert await worker.ended() == 0
    [status] = await yard.ended(job)
    assert (status.state, status.losses) == (State.SUCCESS, 0)


async def test_heartbeats_go_on_while_a_task_blocks_the_main_thread(yard: Yard) -> None:
    async with yard.worker("-P", "solo", WARRENER_HEARTBEAT="1") as worker:
        await yard.ended(await tasks.run.send("first"))
        before = _connections(yard, worker)
        assert before
        # A coroutine that blocks; RabbitMQ drops a peer that is silent for two heartbeats.
        [status] = await yard.ended(await tasks.block.send("a", 4.0))
        assert (status.state, status.losses) == (State.SUCCESS, 0)
        await yard.ended(await tasks.run.send("last"))
        assert before <= _connections(yard, worker)
        assert "lost" not in worker.log
