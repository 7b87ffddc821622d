"""What the contract suite does not ask of the fast transport: silence, cuts in the middle of a drain, and a
taker that fails. Nothing is lost, and nothing runs twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from aiormq.channel import Channel

from tests.support import PATIENCE
from warrener import State
from warrener.connection import LOST, Nodes, open_channel
from warrener.diverting import Diverted
from warrener.fast_transport import FastConnection

from . import yard as tasks
from .conftest import QUEUE, Yard, proxied, until, until_true

JOBS = 300


async def test_a_broker_that_falls_silent_is_noticed_and_costs_no_job(yard: Yard) -> None:
    broker, url = await proxied(yard.amqp_url)
    fast = {"WARRENER_TRANSPORT": "fast", "WARRENER_HEARTBEAT": "1", "WARRENER_AMQP_URL": url}
    async with yard.worker("-c", "2", **fast) as worker:
        jobs = [await tasks.wait.send(name, "gate") for name in ("a", "b", "c")]
        await yard.noted("start a")
        await yard.noted("start b")
        await broker.mute()
        await worker.says("is lost; connecting again")
        yard.open("gate")
        await broker.unmute()
        await worker.says("consuming again")
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    await broker.close()
    for name in ("a", "b", "c"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
    assert await yard.waiting(QUEUE) == []


async def test_cuts_in_the_middle_of_a_drain_lose_nothing(yard: Yard) -> None:
    jobs = await yard.app.send_many([tasks.run.s(f"n{n}") for n in range(JOBS)])
    broker, url = await proxied(yard.amqp_url)
    fast = {"WARRENER_TRANSPORT": "fast", "WARRENER_AMQP_URL": url}
    async with yard.worker("-c", "20", **fast) as worker:
        for times in (1, 2, 3):
            # Between two cuts some are done; the last ones come from a queue that is nearly empty.
            await until(partial(_has_run, yard, times * JOBS // 4), "more of the drain")
            await broker.cut()
            await worker.says("consuming again", times=times)
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        await until_true(lambda: _nothing_is_left(yard), "all acknowledged")
    await broker.close()
    ran = Counter(yard.events())
    assert {ran[f"{event} n{n}"] for n in range(JOBS) for event in ("start", "end")} == {1}


def _has_run(yard: Yard, count: int) -> bool:
    return len(yard.events()) >= 2 * count


async def _nothing_is_left(yard: Yard) -> bool:
    text = yard.rabbit.control(
        "list_queues", "-p", yard.vhost, "name", "messages", "--no-table-headers"
    )
    return f"{QUEUE}\t0" in text.splitlines()


async def _nobody(_: object) -> None:
    """What aiormq would call, if deliveries were not diverted."""


async def _consuming(yard: Yard, sink: Callable[[Sequence[Diverted]], None]) -> Channel:
    connection = await Nodes(yard.app.settings, "a test", FastConnection).connect()
    assert isinstance(connection, FastConnection)
    channel = await open_channel(connection)
    connection.divert("test.", sink, lambda _: None)
    await channel.basic_consume(QUEUE, _nobody, consumer_tag="test.0")
    return channel


async def test_a_taker_that_fails_ends_the_connection_and_all_comes_again(yard: Yard) -> None:
    await tasks.run.send("a")

    def fails(_: Sequence[Diverted]) -> None:
        raise RuntimeError("no room")

    async with asyncio.timeout(PATIENCE):
        # The delivery may come with the answer that one may consume.
        with suppress(*LOST):
            await asyncio.wait({(await _consuming(yard, fails)).closing})
        taken: asyncio.Future[Sequence[Diverted]] = asyncio.get_running_loop().create_future()
        channel = await _consuming(yard, taken.set_result)
        [again] = await taken
    assert again.consumer == b"test.0"
    assert again.body == b'{"args":[],"kwargs":{"name":"a"}}'
    await channel.connection.close()
