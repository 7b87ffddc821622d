"""Connections to RabbitMQ: opening one with errors that help, and a Link that is there when needed."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import cast

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from aiormq import spec
from aiormq.channel import Channel
from yarl import URL

from .errors import BrokerRefusedLogin, BrokerUnavailable, WarrenerError
from .reading import CarefulConnection
from .settings import Settings
from .tls import context_of

log = logging.getLogger(__name__)

NOT_ALLOWED = 530
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

REFUSED = (
    aiormq.ProbableAuthenticationError,
    aiormq.AuthenticationError,
    aiormq.ConnectionNotAllowed,
)
"""What a broker raises that does not let this user in; LOST has them as well."""

RETIRE_AFTER = 1.0
"""Seconds for which a channel is used at least, refusals or not."""


@contextmanager
def not_cancelled() -> Iterator[None]:
    """What aiormq gives up is lost, and not cancelled: it ends whatever waits on a connection that closes
    with CancelledError, which the caller's task would take for its own end."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise aiormq.AMQPConnectionError("its connection was closed meanwhile") from error


class Nodes:
    """The broker's nodes, tried in turn: `WARRENER_AMQP_URL` may name several of one cluster."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        connection_class: type[CarefulConnection] = CarefulConnection,
    ) -> None:
        self._settings = settings
        self._name = name
        self._class = connection_class
        self._urls = [URL(url) for url in settings.amqp_urls]
        self._next = 0

    async def connect(self) -> AbstractConnection:
        """Open a connection that RabbitMQ lists under the name, to the first node that answers; after
        a loss that is the one behind the one lost.

        Raises BrokerUnavailable when nobody answers in time, BrokerRefusedLogin when, of those that
        answer, somebody says no.
        """
        faults: list[_Fault] = []
        for _ in self._urls:
            url = self._urls[self._next]
            # Before the attempt, so that a node that hangs until the caller gives up is not the first
            # one again.
            self._next = (self._next + 1) % len(self._urls)
            try:
                return await self._open(url)
            except LOST as error:
                faults.append(_Fault(url, error))
        kind = (
            BrokerRefusedLogin if any(fault.is_for_good for fault in faults) else BrokerUnavailable
        )
        alone = len(faults) == 1  # and named by the message already
        reason = faults[0].reason if alone else "; ".join(map(str, faults))
        raise kind(url=self._settings.shown_amqp_url, reason=reason) from faults[-1].error

    async def _open(self, url: URL) -> AbstractConnection:
        if "heartbeat" not in url.query:
            url = url.update_query(heartbeat=str(self._settings.heartbeat))
        return await aio_pika.connect(
            url,
            timeout=self._settings.connect_timeout,
            client_properties={"connection_name": self._name},
            connection_class=self._class,
            ssl_context=context_of(self._settings) if url.scheme == "amqps" else None,
        )


class _Fault:
    """Why one node did not let us in."""

    def __init__(self, url: URL, error: BaseException) -> None:
        self._url = url
        self.error = error
        close = _close_seen_by(error)
        said = str(error) if close is None else close.reply_text
        self.reason = said or type(error).__name__
        self.is_for_good = isinstance(error, REFUSED) or (close is not None and _is_for_good(close))

    def __str__(self) -> str:
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.host}{port}: {self.reason}"


def _close_seen_by(error: BaseException) -> spec.Connection.Close | None:
    """What the broker said when it closed instead of opening. aiormq's error tells only that an answer
    was not the one expected; the answer itself is left in the frame that raised it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        answer = frame.f_locals.get("frame")
        if isinstance(answer, spec.Connection.Close):
            return answer
    return None


def _is_for_good(close: spec.Connection.Close) -> bool:
    # NOT_ALLOWED is said of a virtual host that does not exist or is not this user's, and also of one
    # that has as many connections as it may have: only the last passes by itself.
    return close.reply_code == NOT_ALLOWED and "limit" not in close.reply_text


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
        self._nodes = Nodes(settings, name)
        self._prepare = prepare
        self._connection: AbstractConnection | None = None
        self._channel: Channel | None = None
        self._opened = 0.0
        self._retired: list[tuple[float, Channel]] = []
        self._opening = asyncio.Lock()

    async def channel(self) -> Channel:
        """The open channel. Raises BrokerUnavailable, BrokerRefusedLogin, TopologyMismatch."""
        channel = self._channel
        if channel is not None and not channel.is_closed:
            return channel
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._open()
                self._opened = asyncio.get_running_loop().time()
                await self._close_retired()
            return self._channel

    def retire(self, channel: Channel) -> None:
        """Have the next publishes go by another channel than this, on which the broker has refused one.

        RabbitMQ 3.10 remembers per channel which node led a queue when it first published there: if that
        one was dead, all that follow are refused until it is back, and only another channel learns of
        the new leader. A queue that is full refuses as well, so this is done once in RETIRE_AFTER.
        """
        now = asyncio.get_running_loop().time()
        if channel is self._channel and now - self._opened >= RETIRE_AFTER:
            self._retired.append((now, channel))
            self._channel = None

    async def _close_retired(self) -> None:
        """Close the channels whose last publish has been answered or given up."""
        idle = asyncio.get_running_loop().time() - self._settings.publish_timeout
        due = [channel for since, channel in self._retired if since < idle]
        self._retired = [entry for entry in self._retired if entry[0] >= idle]
        for channel in due:
            if not channel.is_closed:
                await channel.close()

    async def is_blocked(self) -> bool:
        """True if RabbitMQ has said, since this connection was opened, that it takes no publishes for now.
        It says so to connections that have published."""
        transport = self._connection.transport if self._connection else None
        if transport is None or transport.connection.is_closed:
            return False
        ready = asyncio.ensure_future(transport.connection.ready())
        await asyncio.wait({ready}, timeout=0.01)
        ready.cancel()
        return not ready.done()

    async def spare_channel(self) -> Channel:
        """A channel of the caller's own on the same connection, for calls that may fail and so close
        it. The caller closes it."""
        await self.channel()
        assert self._connection is not None
        try:
            with not_cancelled():
                return await open_channel(self._connection)
        except LOST as error:
            raise self.unavailable(error) from error

    async def _open(self) -> Channel:
        try:
            with not_cancelled():
                if self._connection is None or self._connection.is_closed or self._lost():
                    await self.close()
                    self._connection = await self._nodes.connect()
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
        self._retired = []
        if connection is not None:
            try:
                await connection.close()
            except LOST as error:
                log.debug("closing the connection %s: %r", self._name, error)


async def nothing(_: Channel) -> None:
    """What a link declares that declares nothing."""
