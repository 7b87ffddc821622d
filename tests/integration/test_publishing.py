"""Publishing many at once, and where the topology is missing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aiormq.abc import FieldTable
from aiormq.channel import Channel
from pydantic import SecretStr

from tests.support import PATIENCE
from warrener import (
    BrokerUnavailable,
    ExchangeNotFound,
    PartlySubmitted,
    PublishRefused,
    QueueNotFound,
    connection,
    windows,
)
from warrener.connection import Link, open_channel
from warrener.joining import Confirms, JoinedPublishes, Publish
from warrener.messages import Message
from warrener.outgoing import Outgoing
from warrener.publishing import Publisher
from warrener.topology import declare, shared, stage

from . import yard as tasks
from .conftest import Yard, proxied, until, until_true


async def test_a_long_list_is_sent_though_it_takes_longer_than_one_deadline(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten at a time, each confirmed after a second: the deadline holds for each, not for all."""
    await tasks.run.send("declares")
    publish = JoinedPublishes.publish

    def confirmed_late(self: JoinedPublishes, messages: Sequence[Publish]) -> Confirms:
        late, confirms = Confirms(len(messages)), publish(self, messages)

        def settle() -> None:
            for place, fault in enumerate(confirms.faults):
                late.settle(place, fault)

        loop = asyncio.get_running_loop()
        confirms.done.add_done_callback(lambda _: loop.call_later(1, settle))
        return late

    monkeypatch.setattr(JoinedPublishes, "publish", confirmed_late)
    monkeypatch.setattr(windows, "IN_FLIGHT", 10)
    publisher = yard.client.publisher
    assert isinstance(publisher, Publisher)
    publisher._settings = publisher._settings.model_copy(update={"publish_timeout": 3.0})
    handles = await yard.app.send_many([tasks.run.s(str(n)) for n in range(50)])
    assert len({handle.id for handle in handles}) == 50
    await yard.ready(51)


@asynccontextmanager
async def undeclaring(yard: Yard) -> AsyncIterator[Channel]:
    """A channel for the operator, whose broker declares nothing by itself."""
    yard.app.settings = yard.app.settings.model_copy(update={"declare": False})
    async with await aio_pika.connect(yard.amqp_url) as connection:
        yield await open_channel(connection)


async def operator_declares(channel: Channel, yard: Yard) -> None:
    settings = yard.app.settings
    await declare(channel, [shared(settings), *(stage(settings, q) for q in yard.app.queues)])


async def test_where_nothing_is_declared_the_exchange_is_named(yard: Yard) -> None:
    async with undeclaring(yard) as channel:
        with pytest.raises(ExchangeNotFound, match=r"'warrener\.jobs'") as refused:
            await tasks.run.send("a")
        assert not refused.value.may_arrive
        await operator_declares(channel, yard)
        await tasks.run.send("a")


async def test_a_missing_exchange_does_not_disturb_those_who_use_another(yard: Yard) -> None:
    async with undeclaring(yard) as channel:
        await operator_declares(channel, yard)
        await channel.exchange_delete("warrener.delay.05")
        calls = [tasks.run.s(str(n)) for n in range(200)]
        calls[100] = calls[100].options(countdown=5)
        with pytest.raises(PartlySubmitted, match="1 of 200") as caught:
            await yard.app.send_many(calls)
        assert isinstance(caught.value.facts["faults"][100], ExchangeNotFound)


async def test_of_an_exchange_that_was_deleted_meanwhile_nobody_knows_until_it_is_asked_for(
    yard: Yard,
) -> None:
    async with undeclaring(yard) as channel:
        await operator_declares(channel, yard)
        await tasks.run.send("a")
        await channel.exchange_delete("warrener.jobs")
        with pytest.raises(BrokerUnavailable, match=r"no exchange 'warrener\.jobs'") as unknown:
            await tasks.run.send("b")
        assert unknown.value.may_arrive
        with pytest.raises(ExchangeNotFound):
            await tasks.run.send("b")


async def test_a_job_for_later_is_refused_where_its_queue_is_missing(yard: Yard) -> None:
    async with undeclaring(yard) as channel:
        await declare(channel, [shared(yard.app.settings)])
        with pytest.raises(QueueNotFound, match="'yard'"):
            await tasks.run.options(countdown=5).send("a")


async def test_after_a_refusal_another_channel_is_used_and_the_old_ones_are_closed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RETIRE_AFTER", 0.0)
    retired: list[Channel] = []

    def retire(link: Link, channel: Channel) -> None:
        retired.append(channel)
        original(link, channel)

    original = Link.retire
    monkeypatch.setattr(Link, "retire", retire)
    yard.app.settings = yard.app.settings.model_copy(update={"publish_timeout": 1.0})
    async with undeclaring(yard) as channel:
        await operator_declares(channel, yard)
        await channel.queue_delete("yard")
        full: FieldTable = {
            "x-queue-type": "quorum",
            "x-max-length": 1,
            "x-overflow": "reject-publish",
        }
        await channel.queue_declare("yard", durable=True, arguments=full)
        await channel.queue_bind("yard", "warrener.jobs", "yard")
        async with asyncio.timeout(PATIENCE):
            while not any(one.is_closed for one in retired):
                await _send_until_refused()
        assert len(set(retired)) == len(retired)
        await channel.queue_purge("yard")

        async def accepted() -> bool:
            with contextlib.suppress(PublishRefused):
                await tasks.run.send("there is room again")
                return True
            return False

        # A full queue tells its publishers by and by that it is not.
        await until_true(accepted, "a job that is accepted")


async def _send_until_refused() -> None:
    with contextlib.suppress(PublishRefused):
        while True:
            await tasks.run.send("too many")


@asynccontextmanager
async def _without_an_answer(yard: Yard) -> AsyncIterator[tuple[Publisher, asyncio.Task[Any]]]:
    """A publish that is under way, and that the broker will not confirm."""
    proxy, url = await proxied(yard.amqp_url)
    yard.app.settings = yard.app.settings.model_copy(update={"amqp_url": SecretStr(url)})
    await tasks.run.send("declares")
    publisher = yard.client.publisher
    assert isinstance(publisher, Publisher)
    channel = await publisher._link.channel()
    await proxy.mute()
    sending = asyncio.create_task(tasks.run.send("a"))
    await until(lambda: bool(channel.confirmations), "the publish")
    yield publisher, sending
    await proxy.cut()
    await proxy.close()


async def test_a_publish_whose_connection_is_closed_is_lost_and_not_cancelled(yard: Yard) -> None:
    async with _without_an_answer(yard) as (publisher, sending):
        closing = asyncio.create_task(publisher.close())
        with pytest.raises(BrokerUnavailable, match="closed meanwhile") as lost:
            await sending
        assert lost.value.may_arrive
    await asyncio.wait([closing])


async def test_a_sender_that_is_cancelled_is_cancelled(yard: Yard) -> None:
    async with _without_an_answer(yard) as (_, sending):
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_of_many_that_leave_in_one_write_each_gets_its_own_answer(yard: Yard) -> None:
    await tasks.run.send("declares")
    publisher = yard.client.publisher
    assert isinstance(publisher, Publisher)

    async def one(n: int) -> None:
        queue = "nowhere" if n % 3 == 1 else "yard"
        await publisher.publish(Outgoing(Message(f"job-{n}", "yard.run", b"{}" * n), queue))

    sending = [asyncio.create_task(one(n)) for n in range(90)]
    await asyncio.sleep(0)
    for n in range(2, 90, 3):
        sending[n].cancel()  # before it is written
    answers = await asyncio.gather(*sending, return_exceptions=True)
    kinds = [type(None), QueueNotFound, asyncio.CancelledError]
    assert [type(answer) for answer in answers] == kinds * 30
    depth = await publisher.depth("yard")
    assert depth is not None
    assert depth.message_count == 31


async def test_a_body_of_many_frames_arrives_whole(yard: Yard) -> None:
    await tasks.run.send("declares")
    publisher = yard.client.publisher
    assert isinstance(publisher, Publisher)
    body = bytes(range(256)) * 2_000
    await asyncio.gather(
        *(publisher.publish(Outgoing(Message(f"job-{n}", "t", body), "yard")) for n in range(3))
    )
    async with publisher.own_channel() as channel:
        await channel.basic_get("yard", no_ack=True)
        got = [await channel.basic_get("yard", no_ack=True) for _ in range(3)]
    assert [one.body for one in got] == [body] * 3
