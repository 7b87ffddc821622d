"""What comes before its time: handed on when it is due, or given back."""

from __future__ import annotations

import asyncio

from warrener.messages import Message
from warrener_workers.deliveries import Delivery
from warrener_workers.early import Early


class Channel:
    """What RabbitMQ would be told."""

    def __init__(self) -> None:
        self.is_closed = False
        self.given_back: list[int] = []

    def acknowledge(self, tag: int) -> None:
        raise AssertionError("nothing that has not run is acknowledged")

    def give_back(self, tag: int, *, requeue: bool) -> None:
        assert requeue
        self.given_back.append(tag)


def delivery(channel: Channel, tag: int) -> Delivery:
    return Delivery(Message(f"job-{tag}", "run", b""), "scan", tag, channel)


async def test_each_is_handed_on_in_its_time() -> None:
    due: asyncio.Queue[Delivery] = asyncio.Queue()
    early, channel = Early(lambda some: due.put_nowait(*some)), Channel()
    first, second = delivery(channel, 1), delivery(channel, 2)
    early.hold(second, 0.02)
    early.hold(first, 0.01)
    assert due.empty()
    assert [await due.get(), await due.get()] == [first, second]
    await early.give_back()
    assert channel.given_back == []


async def test_one_whose_channel_is_gone_comes_again_elsewhere() -> None:
    due: asyncio.Queue[Delivery] = asyncio.Queue()
    early, gone, there = Early(lambda some: due.put_nowait(*some)), Channel(), Channel()
    gone.is_closed = True
    early.hold(delivery(gone, 1), 0.01)
    early.hold(last := delivery(there, 2), 0.02)
    assert await due.get() is last
    assert due.empty()


async def test_what_is_still_held_goes_back_and_so_does_what_comes_after() -> None:
    due: list[Delivery] = []
    early, channel = Early(due.extend), Channel()
    early.hold(delivery(channel, 1), 0.02)
    early.hold(delivery(channel, 2), 30)
    await early.give_back()
    assert channel.given_back == [1, 2]
    early.hold(delivery(channel, 3), 0.01)
    await asyncio.sleep(0.05)
    assert due == []
    assert channel.given_back == [1, 2, 3]
