"""Going once through a queue: what replaying and purging have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiormq
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from .errors import QueueBusy, QueueNotFound
from .publishing import Publishes

WINDOW = 100
"""Messages held at once: few, since what is held when this process dies comes back out of order."""
SILENCE = 2.0
"""Seconds without a message after which a queue that should hold more is taken to be at its end."""


@asynccontextmanager
async def one_pass(
    publisher: Publishes, queue: str, *, exclusive: bool
) -> AsyncIterator[tuple[Channel, AsyncIterator[list[DeliveredMessage]]]]:
    """A channel, and the messages that the queue holds now, in groups to be settled before the next is
    asked for; with `exclusive`, nobody else consumes meanwhile. What is not acknowledged goes back.

    Raises QueueNotFound, QueueBusy, BrokerUnavailable.
    """
    found = await publisher.depth(queue)
    if found is None:
        raise QueueNotFound(queue=queue)
    channel = await publisher.spare_channel()
    try:
        arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await channel.basic_qos(prefetch_count=WINDOW)
        await channel.basic_consume(queue, arrived.put, exclusive=exclusive)
        yield channel, _groups(arrived, found.message_count or 0)
    except aiormq.ChannelAccessRefused as error:
        raise QueueBusy(queue=queue) from error
    finally:
        if not channel.is_closed:
            await channel.close()


async def _groups(
    arrived: asyncio.Queue[DeliveredMessage], count: int
) -> AsyncIterator[list[DeliveredMessage]]:
    """Exactly `count` messages: what is put back meanwhile goes to the end, and is not met again."""
    while count > 0:
        try:
            async with asyncio.timeout(SILENCE):
                group = [await arrived.get()]
        except TimeoutError:
            return
        while len(group) < min(WINDOW, count) and not arrived.empty():
            group.append(arrived.get_nowait())
        count -= len(group)
        yield group
