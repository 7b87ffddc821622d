"""The consumer: a connection that consumes from the worker's queues, and does so again whenever it was
lost, for as long as `restore_deadline` allows. What arrives within one turn of the loop is handed on
together."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import aiormq
from aio_pika.abc import AbstractConnection
from aiormq import spec
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from warrener import topology
from warrener.connection import LOST, Nodes, open_channel
from warrener.diverting import Diverted
from warrener.errors import BrokerUnavailable, ConsumingLost, QueueNotFound
from warrener.fast_transport import FastConnection
from warrener.messages import Seal
from warrener.priorities import check_broker, version_of
from warrener.reading import CarefulConnection
from warrener.settings import Settings

from .acks import Acks
from .arrivals import Arrival, Arrivals
from .holding import Holding, consumer_arguments, warn_of
from .watchdog import Watchdog

log = logging.getLogger(__name__)

PAUSES = (0.2, 0.5, 1.0, 2.0)
OPENING = 30.0
"""Seconds after which a broker that has not let the worker consume is tried anew: a quorum queue
without a leader leaves declarations unanswered."""
UNDELIVERED_AT_ONCE = 10
"""Unsettled deliveries of the queue for what could not be delivered."""


class Consumer:
    """Consumes from `queues`, at most `prefetch` unsettled deliveries each, which may be held as long
    as each queue's Holding says."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        queues: Mapping[str, Holding | None],
        prefetch: int,
        on_arrivals: Callable[[list[Arrival]], None],
        watchdog: Watchdog,
        seal: Seal | None = None,
    ) -> None:
        self._settings = settings
        self._names = topology.Names(settings.namespace)
        kind = FastConnection if settings.transport == "fast" else CarefulConnection
        self._nodes = Nodes(settings, name, kind)
        self._prefix = f"{name}."
        self._queues = {f"{name}.{n}": queue for n, queue in enumerate(queues)}
        self._reading = Arrivals(settings, self._queues, seal)
        self._holdings = queues
        self._undelivered = f"{name}.undelivered"
        self._watchdog = watchdog
        self._prefetch = prefetch
        self._on_arrivals = on_arrivals
        self._arrivals: list[Arrival] = []
        self._connection: AbstractConnection | None = None
        self._channel: Channel | None = None
        self._acks: Acks | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._held: set[str] = set()
        self._ending = False
        self.losses = 0
        """How often it had to consume anew."""
        self._cancelled: asyncio.Future[str]

    async def start(self) -> asyncio.Task[None]:
        """Connect and consume. Raises BrokerUnavailable, BrokerRefusedLogin, TopologyMismatch,
        QueueNotFound; from then on a loss is mended by the task returned, which ends only by raising
        ConsumingLost."""
        await self._open()
        held = {queue: holding for queue, holding in self._holdings.items() if holding}
        warn_of(held, self._version, self._settings.consumer_timeout)
        self._keeping = asyncio.create_task(self._keep(), name="consumer")
        return self._keeping

    async def _open(self) -> None:
        self._cancelled = asyncio.get_running_loop().create_future()
        self._connection = await self._nodes.connect()
        try:
            async with asyncio.timeout(OPENING):
                await self._consume(await open_channel(self._connection))
        except LOST as error:
            raise BrokerUnavailable(url=self._settings.shown_amqp_url, reason=error) from error

    async def _consume(self, channel: Channel) -> None:
        check_broker(self._settings, self._version)
        if self._settings.declare:
            stages = [topology.stage(self._settings, q) for q in self._queues.values()]
            await topology.declare(channel, [topology.shared(self._settings), *stages])
        channel.on_consumer_cancel_callbacks.add(self._server_cancelled)
        self._channel, self._acks = channel, Acks(channel)
        if isinstance(self._connection, FastConnection):
            # This connection has no other channel.
            divert, acks = partial(self._diverted, self._acks), self._acks
            self._connection.divert(self._prefix, divert, lambda _: acks.end())
        async with self._changing:
            for tag, queue in self._queues.items():
                if queue not in self._held:
                    await self._consume_from(channel, queue, tag)
            await channel.basic_qos(prefetch_count=UNDELIVERED_AT_ONCE)
            shared, tag = self._names.undelivered, self._undelivered
            await _consuming(shared, channel.basic_consume(shared, self._arrived, consumer_tag=tag))

    async def _consume_from(self, channel: Channel, queue: str, tag: str) -> None:
        # It counts for consumers that begin after it.
        await channel.basic_qos(prefetch_count=self._prefetch)
        wanted = consumer_arguments(self._holdings[queue], self._version, self._settings)
        await _consuming(
            queue, channel.basic_consume(queue, self._arrived, consumer_tag=tag, arguments=wanted)
        )

    @property
    def _version(self) -> tuple[int, ...]:
        transport = self._connection.transport if self._connection else None
        return version_of(transport.connection.server_properties) if transport else ()

    async def _server_cancelled(self, frame: spec.Basic.Cancel) -> None:
        if not self._cancelled.done():
            self._cancelled.set_result(self._queues.get(frame.consumer_tag or "", "undelivered"))

    # Losses --------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            log.warning("%s", await self._until_lost())
            self.losses += 1
            await self._restore()
            log.info("consuming again")

    async def _until_lost(self) -> str:
        """What is lost, in words, as soon as anything is."""
        assert self._channel is not None
        closed = asyncio.ensure_future(_closed(self._channel))
        missed = asyncio.ensure_future(self._watchdog.until_missed())
        try:
            await asyncio.wait(
                {self._cancelled, closed, missed}, return_when=asyncio.FIRST_COMPLETED
            )
            if closed.done():
                return f"the consumer's connection to RabbitMQ is lost; connecting again{closed.result()}"
            if self._cancelled.done():
                queue = self._cancelled.result()
                return f"RabbitMQ has cancelled the consumer of {queue}; connecting again"
            return f"RabbitMQ knows of no consumer of {missed.result()}; connecting again"
        finally:
            closed.cancel()
            missed.cancel()

    async def _restore(self) -> None:
        """Consume again. Raises ConsumingLost once that has been in vain for too long."""
        reason: object = "it did not say why"
        seconds = self._settings.restore_deadline
        try:
            async with asyncio.timeout(seconds):
                for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
                    await self._drop_connection()
                    try:
                        await self._open()
                        return
                    except Exception as error:
                        # Whatever it is, only trying again helps: a broker that restarts refuses
                        # logins and reports missing queues for a while.
                        reason = error
                        log.warning("not consuming yet: %s", error)
                    await asyncio.sleep(pause)
        except TimeoutError:
            queues = ", ".join(self._queues.values())
            raise ConsumingLost(queues=queues, seconds=seconds, reason=reason) from None

    # Arrivals ------------------------------------------------------------------------------------

    async def _arrived(self, message: DeliveredMessage) -> None:
        said, acks = message.delivery, self._acks
        assert isinstance(said, spec.Basic.Deliver)
        if acks is None or message.channel is not acks.channel:
            return  # of a channel that was lost meanwhile: it comes again
        acks.received(said.delivery_tag or 0)
        arrival = self._reading.job(said, message.header.properties, message.body, acks)
        self._collect([arrival])

    def _diverted(self, acks: Acks, batch: Sequence[Diverted]) -> None:
        arrivals = []
        for one in batch:
            acks.received(one.tag)
            arrivals.append(self._reading.diverted(one, acks))
        self._collect(arrivals)

    def _collect(self, arrivals: list[Arrival]) -> None:
        if not self._arrivals:
            asyncio.get_running_loop().call_soon(self._hand_on)
        self._arrivals += arrivals

    def _hand_on(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        self._on_arrivals(arrivals)

    # Pauses --------------------------------------------------------------------------------------

    async def hold(self, queue: str) -> None:
        """Consume no more from this queue for now; once this returns, nothing more of it arrives."""
        self._held.add(queue)
        self._watchdog.excused.add(queue)
        async with self._changing:
            await self._cancel(self._tag_of(queue))

    async def let(self, queue: str) -> None:
        """Consume from this queue again."""
        async with self._changing:
            self._held.discard(queue)
            self._watchdog.excused.discard(queue)
            channel, tag = self._channel, self._tag_of(queue)
            if channel is None or channel.is_closed or tag in channel.consumers or self._ending:
                return
            try:
                await self._consume_from(channel, queue, tag)
            except (QueueNotFound, *LOST) as error:
                # The channel is gone with it, which is mended as ever.
                log.debug("consuming from %s again: %r", queue, error)

    def _tag_of(self, queue: str) -> str:
        return next(tag for tag, name in self._queues.items() if name == queue)

    async def _cancel(self, tag: str) -> None:
        channel = self._channel
        if channel is None or channel.is_closed or tag not in channel.consumers:
            return
        try:
            await channel.basic_cancel(tag, timeout=self._settings.connect_timeout)
        except LOST as error:
            log.debug("cancelling consumer %s: %r", tag, error)

    async def pause(self) -> None:
        """Consume no more; deliveries that have arrived can still be settled."""
        self._ending = True
        if self._keeping is not None:
            self._keeping.cancel()
        async with self._changing:
            for tag in (*self._queues, self._undelivered):
                await self._cancel(tag)

    async def close(self) -> None:
        """Close the connection; RabbitMQ takes unsettled deliveries back."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._drop_connection()

    async def _drop_connection(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        acks, self._acks = self._acks, None
        if connection is not None:
            try:
                async with asyncio.timeout(self._settings.connect_timeout):
                    if acks is not None:
                        await acks.flushed()
                    await connection.close()
            except LOST as error:
                log.debug("closing the consumer's connection: %r", error)


async def _closed(channel: Channel) -> str:
    """Return once it is closed: what RabbitMQ said, for the end of a sentence."""
    await asyncio.wait({channel.closing})
    error = None if channel.closing.cancelled() else channel.closing.exception()
    return f": {error}" if isinstance(error, aiormq.AMQPError) else ""


async def _consuming(queue: str, consume: Awaitable[object]) -> None:
    try:
        await consume
    except aiormq.ChannelNotFoundEntity as error:
        raise QueueNotFound(queue=queue) from error
