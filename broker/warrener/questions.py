"""Questions to the broker that may fail, and so close the channel that they are asked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiormq
from aiormq import spec
from aiormq.channel import Channel

from .connection import LOST, Link, not_cancelled, nothing
from .settings import Settings


class Questions:
    """Asks on a connection of its own, one thing at a time: aiormq drops its answer to the broker's close
    when there is much to write, and RabbitMQ then closes the connection when the channel's number is used
    again (seen with 300 publishes under way). `declared` returns once what we know of is declared."""

    def __init__(
        self, settings: Settings, name: str, declared: Callable[[], Awaitable[object]]
    ) -> None:
        self._link = Link(settings, f"{name} (questions)", nothing)
        self._declared = declared
        self._asking = asyncio.Lock()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """A channel for one question. Raises BrokerUnavailable, BrokerRefusedLogin."""
        await self._declared()
        async with self._asking:
            channel = await self._link.spare_channel()
            try:
                with not_cancelled():
                    yield channel
            except LOST as error:
                raise self._link.unavailable(error) from error
            finally:
                if not channel.is_closed:
                    await channel.close()

    async def depth(self, queue: str) -> spec.Queue.DeclareOk | None:
        """Ready messages and consumers of a queue, or None if it does not exist."""
        async with self.channel() as channel:
            try:
                return await channel.queue_declare(queue, passive=True)
            except aiormq.ChannelNotFoundEntity:
                return None

    async def has_exchange(self, exchange: str) -> bool:
        """True if it exists."""
        async with self.channel() as channel:
            try:
                await channel.exchange_declare(exchange, passive=True)
            except aiormq.ChannelNotFoundEntity:
                return False
        return True

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()
