"""Acknowledgements joined: against a channel of RabbitMQ's rules, and never more than was settled."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame

from warrener_workers.acks import Acks


class Broker:
    """A channel as RabbitMQ keeps it: an acknowledgement of a tag that is not there closes it."""

    number = 7
    is_closed = False

    def __init__(self, size: int = 0) -> None:
        self.write_queue: asyncio.Queue[ChannelFrame] = asyncio.Queue(size)
        self.waiting: dict[int, str] = {}
        self.ended: dict[int, str] = {}
        self.frames = 0

    def send(self, acks: Acks, tag: int) -> None:
        """Deliver a message."""
        self.waiting[tag] = ""
        acks.received(tag)

    def read(self) -> None:
        """Do what was written."""
        while not self.write_queue.empty():
            written = self.write_queue.get_nowait()
            written.drain()
            data = written.payload
            while data:
                size, channel, said = frame.unmarshal(data)
                data = data[size:]
                self.frames += 1
                assert channel == self.number
                assert isinstance(said, commands.Basic.Ack | commands.Basic.Nack)
                self.settle(said)

    def settle(self, said: commands.Basic.Ack | commands.Basic.Nack) -> None:
        assert said.delivery_tag in self.waiting, f"unknown delivery tag {said.delivery_tag}"
        how = "ack" if isinstance(said, commands.Basic.Ack) else f"nack {said.requeue}"
        tags = [t for t in self.waiting if t <= said.delivery_tag] if said.multiple else []
        for tag in tags or [said.delivery_tag]:
            del self.waiting[tag]
            self.ended[tag] = how


def acks_of(broker: Broker) -> Acks:
    return Acks(cast(Channel, broker))


@given(st.lists(st.sampled_from(["deliver", "ack", "nack", "turn"]), max_size=80), st.data())
def test_whatever_is_settled_in_whatever_order_ends_as_it_was_said(
    steps: list[str], data: st.DataObject
) -> None:
    async def scenario() -> None:
        broker = Broker()
        acks, said, tag = acks_of(broker), dict[int, str](), 0
        for step in steps:
            waiting = [t for t in range(1, tag + 1) if t not in said]
            if step == "deliver":
                tag += 1
                broker.send(acks, tag)
            elif step == "turn":
                await asyncio.sleep(0)
                broker.read()
            elif waiting:
                chosen = data.draw(st.sampled_from(waiting))
                if step == "ack":
                    said[chosen] = "ack"
                    acks.acknowledge(chosen)
                else:
                    said[chosen] = "nack True"
                    acks.give_back(chosen, requeue=True)
        await asyncio.sleep(0)
        broker.read()
        assert broker.ended == said
        assert sorted(broker.waiting) == [t for t in range(1, tag + 1) if t not in said]

    asyncio.run(scenario())


async def test_what_is_settled_together_and_waits_for_nobody_takes_one_frame() -> None:
    broker = Broker()
    acks = acks_of(broker)
    for tag in range(1, 101):
        broker.send(acks, tag)
    for tag in range(1, 100):
        acks.acknowledge(tag)
    await asyncio.sleep(0)
    broker.read()
    assert (broker.frames, list(broker.waiting)) == (1, [100])


async def test_a_full_queue_of_writes_delays_and_keeps_the_order() -> None:
    broker = Broker(size=1)
    acks = acks_of(broker)
    for tag in (1, 2, 3):
        broker.send(acks, tag)
    broker.write_queue.put_nowait(ChannelFrame(b"", False))
    acks.give_back(1, requeue=False)
    acks.acknowledge(2)
    await asyncio.sleep(0)
    acks.acknowledge(3)
    broker.read()
    while broker.waiting:
        await asyncio.sleep(0)
        broker.read()
    assert broker.ended == {1: "nack False", 2: "ack", 3: "ack"}


@pytest.mark.parametrize("how", ["closed", "closing"])
async def test_nothing_is_said_on_a_channel_that_is_gone_or_going(how: str) -> None:
    broker = Broker()
    acks = acks_of(broker)
    broker.send(acks, 1)
    acks.acknowledge(1)
    if how == "closed":
        broker.is_closed = True
    else:
        acks.end()
    await asyncio.sleep(0)
    assert broker.write_queue.empty()
    await acks.flushed()
    assert broker.write_queue.empty()
