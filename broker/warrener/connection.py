"""Connections to RabbitMQ: opening one with errors that help, and a Link that is there when needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import cast

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel
from yarl import URL

from .errors import BrokerRefusedLogin, BrokerUnavailable, WarrenerError
from .reading import CarefulConnection
from .settings import Settings

log = logging.getLogger(__name__)

LOST = (
    aiormq.AMQPError,
    ConnectionError,
    OSError,
    asyncio.TimeoutError,
    RuntimeError,
    StopAsyncIteration,
)
"""What a broker that is gone or going raises, whatever was being asked of it. aiormq says RuntimeError or
StopAsyncIteration of a connection that closes while it opens."""


async def connect(settings: Settings, name: str) -> AbstractConnection:
    """Open a connection that RabbitMQ lists under `name`.

    Raises BrokerUnavailable when nobody answers in time, BrokerRefusedLogin when somebody says no.
    """
    url = URL(settings.amqp_url.get_secret_value())
    if "heartbeat" not in url.query:
        url = url.update_query(heartbeat=str(settings.heartbeat))
    try:
        return await aio_pika.connect(
            url,
            timeout=settings.connect_timeout,
            client_properties={"connection_name": name},
            connection_class=CarefulConnection,
        )
    except (
        aiormq.ProbableAuthenticationError,
        aiormq.AuthenticationError,
        aiormq.ConnectionNotAllowed,
    ) as error:
        raise BrokerRefusedLogin(url=settings.shown_amqp_url, reason=str(error)) from error
    except LOST as error:
        raise BrokerUnavailable(url=settings.shown_amqp_url, reason=error) from error


async def open_channel(connection: AbstractConnection) -> Channel:
    """A channel with publisher confirms on which an unroutable publish raises (aio-pika's own default
    only returns it). Raises what LOST names."""
    channel = connection.channel(publisher_confirms=True, on_return_raises=True)
    await channel.initialize()
    return cast(Channel, await channel.get_underlay_channel())


class Link:
    """One connection with one confirming channel, opened when first asked for and again after a loss.

    `prepare` runs on each new channel before anyone else gets it: the place to declare things.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        prepare: Callable[[Channel], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._name = name
        self._prepare = prepare
        self._connection: AbstractConnection | None = None
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()

    async def channel(self) -> Channel:
        """The open channel. Raises BrokerUnavailable, BrokerRefusedLogin, TopologyMismatch."""
        channel = self._channel
        if channel is not None and not channel.is_closed:
            return channel
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._open()
            return self._channel

    async def spare_channel(self) -> Channel:
        """A channel of the caller's own on the same connection, for calls that may fail and so close
        it. The caller closes it."""
        await self.channel()
        assert self._connection is not None
        try:
            return await open_channel(self._connection)
        except LOST as error:
            raise self.unavailable(error) from error

    async def _open(self) -> Channel:
        try:
            if self._connection is None or self._connection.is_closed or self._lost():
                await self.close()
                self._connection = await connect(self._settings, self._name)
            channel = await open_channel(self._connection)
            await self._prepare(channel)
            return channel
        except WarrenerError:
            raise
        except LOST as error:
            raise self.unavailable(error) from error

    def _lost(self) -> bool:
        transport = self._connection.transport if self._connection else None
        return transport is None or transport.connection.is_closed

    def unavailable(self, error: BaseException, *, may_arrive: bool = False) -> BrokerUnavailable:
        """The error that says so, with this link's URL."""
        return BrokerUnavailable(
            url=self._settings.shown_amqp_url, reason=error, may_arrive=may_arrive
        )

    async def close(self) -> None:
        """Close the connection, if there is one. A broker that is gone already is no error."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            try:
                await connection.close()
            except LOST as error:
                log.debug("closing the connection %s: %r", self._name, error)
