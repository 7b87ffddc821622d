"""Publishing: always confirmed, always routed, within a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import aiormq
from aiormq import spec
from aiormq.channel import Channel
from aiormq.exceptions import PublishError

from . import joining, topology
from .connection import LOST, Link, not_cancelled
from .errors import (
    BrokerRefusedLogin,
    BrokerUnavailable,
    ExchangeNotFound,
    PublishRefused,
    PublishTimeout,
    QueueNotFound,
    TopologyMismatch,
    WarrenerError,
)
from .lanes import Lanes
from .messages import Message, Seal, encode
from .outgoing import Outgoing, check
from .priorities import check_broker, may_climb, version_of
from .settings import Settings
from .telling import Teller

IN_FLIGHT = 1000
"""How many messages of one call wait for their confirms at a time: enough for the broker's full speed,
and few enough that the last of them is confirmed long before its deadline."""

_AWAY = (BrokerUnavailable, BrokerRefusedLogin, ExchangeNotFound, TopologyMismatch)


class Publisher:
    """Publishes on a link of its own: a broker's alarm blocks connections that publish, and must not
    stop acknowledgements."""

    def __init__(
        self, settings: Settings, name: str, queues: Iterable[str], seal: Seal | None = None
    ) -> None:
        self._settings = settings
        self._seal = seal
        self.watchers: list[Callable[[Outgoing, float, BaseException | None], None]] = []
        """Told of each publish: how many seconds it took, and what was wrong."""
        self._names = topology.Names(settings.namespace)
        self._own = sorted(set(queues))
        self._known = set(self._own) if settings.declare else set()
        self._exchanges: set[str] = set()
        self._learning = asyncio.Lock()
        self._climbs = True
        self._link = Link(settings, name, self._declare)
        self._joined: joining.JoinedPublishes | None = None
        self._asking = asyncio.Lock()
        self._questions = Link(settings, f"{name} (questions)", _nothing)
        self._teller = Teller(settings, name)

    async def _declare(self, channel: Channel) -> None:
        version = version_of(channel.connection.server_properties)
        check_broker(self._settings, version)
        self._climbs = may_climb(self._settings, version)
        if self._settings.declare:
            stages = [topology.stage(self._settings, queue) for queue in self._own]
            await topology.declare(channel, [topology.shared(self._settings), *stages])

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish one message; returns once the broker has it safely.

        Raises InvalidDelay, QueueNotFound, ExchangeNotFound, PublishRefused, PublishTimeout or
        BrokerUnavailable; each says in `may_arrive` whether the job may still run.
        """
        if not self.watchers:
            await self._publish(outgoing)
            return
        began, fault = time.perf_counter(), None
        try:
            await self._publish(outgoing)
        except BaseException as error:
            fault = error
            raise
        finally:
            for saw in self.watchers:
                saw(outgoing, time.perf_counter() - began, fault)

    async def _publish(self, outgoing: Outgoing) -> None:
        message = outgoing.message
        check(outgoing, self._settings)
        exchange, key = self._route(outgoing)
        seconds = self._settings.publish_timeout
        channel: Channel | None = None
        try:
            async with asyncio.timeout(seconds):
                with not_cancelled():
                    if outgoing.delay > 0 and outgoing.queue not in self._known:
                        await self._require(outgoing.queue)
                    if not self._settings.declare and exchange not in self._exchanges:
                        await self._require_exchange(exchange)
                    channel = await self._link.channel()
                    if self._joined is None or self._joined.channel is not channel:
                        self._joined = joining.JoinedPublishes(channel)
                    properties = self._properties(outgoing)
                    await self._joined.publish(exchange, key, properties, message.body)
        except WarrenerError:
            raise
        except TimeoutError as error:
            if channel is None:
                raise self._link.unavailable(error) from error
            raise PublishTimeout(job_id=message.job_id, seconds=seconds) from error
        except PublishError as error:
            raise QueueNotFound(queue=outgoing.queue) from error
        except aiormq.DeliveryError as error:
            if channel is not None:
                self._link.retire(channel)
            raise PublishRefused(
                job_id=message.job_id, queue=outgoing.queue, reason=str(error)
            ) from error
        except LOST as error:
            # Should this exchange have been deleted, the next publish finds out.
            self._exchanges.discard(exchange)
            raise self._link.unavailable(error, may_arrive=channel is not None) from error

    async def publish_many(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        """Publish all, with the confirms of many awaited together: one answer for each, in order."""
        return await Lanes(self.publish, self._for_the_rest, IN_FLIGHT).run(outgoing)

    def _for_the_rest(self, error: WarrenerError) -> WarrenerError | None:
        """What this error means for messages that have not been tried; None for nothing."""
        if isinstance(error, PublishTimeout):
            reason = f"it confirmed nothing for {self._settings.publish_timeout:g} s"
            return self._link.unavailable(RuntimeError(reason))
        # One that was lost on its way is no sign: the connection may be opened again.
        return error if isinstance(error, _AWAY) and not error.may_arrive else None

    def _route(self, outgoing: Outgoing) -> tuple[str, str]:
        if outgoing.dead:
            return self._names.dead, outgoing.queue
        delay = outgoing.delay
        if outgoing.message.due is not None:
            # The worker that gets it knows when it is due, and waits out the rest of the tick.
            delay -= topology.TICK
        return topology.route(self._names, outgoing.queue, delay)

    def _properties(self, outgoing: Outgoing) -> spec.Basic.Properties:
        found = encode(self._sealed(outgoing))
        if outgoing.dead or (outgoing.delay > 0 and not self._climbs):
            # The header keeps it: letters stay in their order, and delays each to itself.
            found.priority = None
        return found

    def _sealed(self, outgoing: Outgoing) -> Message:
        message, queue = outgoing.message, outgoing.queue
        if self._seal is None or outgoing.refused:
            return message
        # A letter is signed for its dead queue, so that it is no job when somebody copies it from there.
        return self._seal.seal(message, self._names.dead_queue(queue) if outgoing.dead else queue)

    async def _require(self, queue: str) -> None:
        # The ladder takes any routing key, so that a delayed job for a queue that does not exist
        # would only be noticed when its time has come.
        async with self._learning:
            if queue not in self._known and await self.depth(queue) is None:
                raise QueueNotFound(queue=queue)
            self._known.add(queue)

    async def _require_exchange(self, exchange: str) -> None:
        # Asked first: a publish to an exchange that does not exist closes its channel, and nobody could
        # tell what has become of the other messages in flight there.
        async with self._learning:
            if exchange in self._exchanges:
                return
            async with self._question() as channel:
                try:
                    await channel.exchange_declare(exchange, passive=True)
                except aiormq.ChannelNotFoundEntity as error:
                    raise ExchangeNotFound(exchange=exchange) from error
            self._exchanges.add(exchange)

    async def require_dead_queue(self, queue: str) -> None:
        """Return once the dead queue of `queue` exists, declared now if it must be. Raises
        QueueNotFound if it does not exist and is not ours to declare."""
        dead = self._names.dead_queue(queue)
        if await self.depth(dead) is not None:
            return
        if not self._settings.declare:
            raise QueueNotFound(queue=dead)
        async with self._question() as channel:
            await topology.declare(channel, [topology.grave(self._settings, queue)])

    async def depth(self, queue: str) -> spec.Queue.DeclareOk | None:
        """Ready messages and consumers of a queue, or None if it does not exist."""
        async with self._question() as channel:
            try:
                return await channel.queue_declare(queue, passive=True)
            except aiormq.ChannelNotFoundEntity:
                return None

    @asynccontextmanager
    async def _question(self) -> AsyncIterator[Channel]:
        """A channel for something that may fail and so close it. On a connection of its own, one at a
        time: aiormq drops its answer to the broker's close when there is much to write, and RabbitMQ
        then closes the connection when the channel's number is used again (seen with 300 publishes
        under way)."""
        await self._link.channel()  # what we know of is declared first
        async with self._asking:
            channel = await self._questions.spare_channel()
            try:
                with not_cancelled():
                    yield channel
            except LOST as error:
                raise self._questions.unavailable(error) from error
            finally:
                if not channel.is_closed:
                    await channel.close()

    async def tell_workers(self, what: bytes) -> None:
        """Send this control message to all workers that listen: see Teller.tell()."""
        await self._link.channel()  # what we know of is declared first
        await self._teller.tell(what)

    async def is_blocked(self) -> bool:
        """True while an alarm of RabbitMQ holds publishes up: see Teller.is_blocked()."""
        await self._link.channel()
        return await self._teller.is_blocked()

    async def ready(self) -> None:
        """Return if the broker answers. Raises BrokerUnavailable or BrokerRefusedLogin."""
        # A round trip: a connection stays open for several heartbeats after the broker hangs, and as
        # long as it wants while an alarm blocks it.
        channel = await self._link.spare_channel()
        try:
            with not_cancelled():
                await channel.close()
        except LOST as error:
            raise self._link.unavailable(error) from error

    @asynccontextmanager
    async def own_channel(self, name: str = "warrener pass") -> AsyncIterator[Channel]:
        """A channel on a connection of the caller's own. Raises BrokerUnavailable."""
        await self._link.channel()
        link = Link(self._settings, name, _nothing)
        try:
            channel = await link.channel()
            try:
                with not_cancelled():
                    yield channel
            finally:
                # Closing the connection alone might not wait for the last acknowledgement.
                if not channel.is_closed:
                    await channel.close()
        finally:
            await link.close()

    async def close(self) -> None:
        """Close the connections; at once, since each waits for a while for a broker that hangs."""
        links = (self._teller, self._questions, self._link)
        await asyncio.gather(*(link.close() for link in links))


async def _nothing(_: Channel) -> None:
    """A link that declares nothing."""
