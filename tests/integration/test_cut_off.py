"""A worker that neither RabbitMQ nor Redis hears of any more, though it lives: what it ran runs elsewhere,
and no longer there."""

from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from warrener import JobHandle, State

from . import yard as tasks
from .conftest import Yard, gone, proxied, until, until_true


@pytest.mark.parametrize("plain", [False, True])
async def test_a_worker_that_is_cut_off_from_both_gives_up_what_it_runs(
    yard: Yard, redis_url: str, plain: bool
) -> None:
    broker, amqp = await proxied(yard.amqp_url)
    store, redis = await proxied(redis_url)
    task = tasks.wait_plain if plain else tasks.wait
    async with yard.worker(
        "--name", "cut", WARRENER_AMQP_URL=amqp, WARRENER_REDIS_URL=redis
    ) as worker:
        job = await task.send("a", "gate")
        await yard.noted("start a")
        [first] = yard.pids("start a")
        await store.mute()
        await broker.mute()
        await broker.cut()
        await worker.says("1 job(s) are given up")
        await until(lambda: not psutil.pid_exists(first), "the end of the first run's process")
        assert yard.events("a") == ["start a"]
        async with yard.worker("--name", "other"):
            await yard.noted("start a", 2)
            assert not psutil.pid_exists(first)
            yard.open("gate")
            [status] = await yard.ended(job)
            assert (status.state, status.worker, status.losses) == (State.SUCCESS, "other", 1)
            await store.unmute()
            await broker.unmute()
            # It is of use again.
            names = [f"again-{number}" for number in range(20)]
            await yard.ended(*[await tasks.run.send(name) for name in names])
            await worker.says("consuming again")
    assert yard.events("a") == ["start a", "start a", "end a"]
    await asyncio.gather(broker.close(), store.close())


async def test_a_worker_that_was_stopped_begins_nothing_that_was_taken_over_meanwhile(
    yard: Yard,
) -> None:
    broker, amqp = await proxied(yard.amqp_url)
    options = ("--name", "old", "-c", "1", "--prefetch", "2")
    async with yard.worker(*options, WARRENER_AMQP_URL=amqp) as old:
        begun = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        waiting = await tasks.run.send("b")
        await until_true(
            lambda: _is_started(yard, waiting), "the claim of what waits in the worker"
        )
        [first] = [psutil.Process(pid) for pid in yard.pids("start a")]
        old.kill(signal.SIGSTOP)
        await broker.cut()
        await until(lambda: gone([first]), "the end of the process whose worker is silent")
        async with yard.worker("--name", "other"):
            yard.open("gate")
            statuses = await yard.ended(begun, waiting)
        assert [(s.state, s.worker) for s in statuses] == [(State.SUCCESS, "other")] * 2
        old.kill(signal.SIGCONT)
        await old.says("given up")
        # Behind what it had in hand.
        await yard.ended(*[await tasks.run.send(f"again-{number}") for number in range(5)])
    assert yard.events("a") == ["start a", "start a", "end a"]
    assert yard.events("b") == ["start b", "end b"]
    await broker.close()


async def _is_started(yard: Yard, job: JobHandle[str]) -> bool:
    return (await yard.status(job)).state is State.STARTED


async def test_a_worker_that_is_cut_off_from_redis_alone_goes_on_with_what_it_runs(
    yard: Yard, redis_url: str
) -> None:
    store, redis = await proxied(redis_url)
    async with yard.worker("--name", "cut", WARRENER_REDIS_URL=redis) as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        await store.mute()
        # Longer than its presence lasts.
        await worker.says("presence is not renewed", times=4)
        yard.open("gate")
        await yard.noted("end a")
        await store.unmute()
        [status] = await yard.ended(job)
        assert (status.state, status.losses) == (State.SUCCESS, 0)
    assert yard.events("a") == ["start a", "end a"]
    await store.close()
