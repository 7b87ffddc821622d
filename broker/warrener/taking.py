"""Going once through a queue: what replaying and purging have in common."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from copy import copy
from typing import Protocol

import aiormq
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from .connection import LOST
from .errors import BrokerUnavailable, ConfigurationError, QueueBusy, QueueNotFound
from .outgoing import Publishes
from .settings import Settings

WINDOW = 100
"""Messages held at once: few, since what is held when this process dies comes back out of order."""
_COUNTS = ("x-delivery-count", "x-acquired-count")
SILENCE = 2.0
"""Seconds without a message after which those that were counted are taken to have gone elsewhere."""


Allowance = Callable[[], Awaitable[int]]
"""Asked while nothing is held: how many messages may be taken next, WINDOW at most. 0 ends the pass."""


async def at_full_speed() -> int:
    """An allowance without end."""
    return WINDOW


class Going(Protocol):
    """What replaying needs of a pass; the double for tests has it as well."""

    whole: bool
    """True once everything that the queue held at its beginning was met."""
    in_place: bool
    """True if what is kept stays where it is, instead of going to the end of the queue."""

    def groups(self, allowed: Allowance = at_full_speed) -> AsyncIterator[list[DeliveredMessage]]:
        """What the queue has now, group by group."""

    async def settle(
        self, group: list[DeliveredMessage], keep: Iterable[DeliveredMessage] = ()
    ) -> None:
        """Done with this group; those to `keep` go to the end of the queue."""


async def take(channel: Channel, queue: str, size: int) -> list[DeliveredMessage]:
    """The next messages. Their consumer is gone before any of them is settled: one that stayed would be
    sent what was just put back, and give it back later and in another order."""
    taken: list[DeliveredMessage] = []
    if size == 0:
        return taken
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    await channel.basic_qos(prefetch_count=size)
    consumer = await channel.basic_consume(queue, arrived.put)
    with contextlib.suppress(TimeoutError):
        while len(taken) < size:
            async with asyncio.timeout(SILENCE):
                taken.append(await arrived.get())
    await channel.basic_cancel(consumer.consumer_tag or "")
    while not arrived.empty():
        taken.append(arrived.get_nowait())
    return taken


Passes = Callable[[str], AbstractAsyncContextManager[Going]]
"""Begins a pass through the queue of this name."""


class Pass:
    """Going through a queue: each group is settled before the next is asked for."""

    in_place = False

    def __init__(
        self, channel: Channel, queue: str, seconds: float, first: DeliveredMessage | None = None
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._seconds = seconds
        self._first = first  # which was got already, on a channel of its own
        self.whole = False

    async def groups(
        self, allowed: Allowance = at_full_speed
    ) -> AsyncIterator[list[DeliveredMessage]]:
        """As many messages as the queue has now: what is put back meanwhile is not met again.

        The first is taken by a get, whose answer counts those behind it. It is a command in the quorum
        queue's log, after all that a pass before gave back; the depth that a passive declare answers
        may be from before.
        """
        size = await allowed()
        if not size:
            return
        first = self._first or await self._channel.basic_get(self._queue)
        if first.message_count is None:
            self.whole = True
            return
        left = first.message_count + 1
        size = 1 if self._first else min(size, left)
        group = [first, *await take(self._channel, self._queue, size - 1)]
        while group:
            yield group
            if len(group) < size:
                # The last: what should have been in it may still come, and the acknowledgement of
                # another group would cover it.
                return
            left -= size
            self.whole = left == 0
            size = min(await allowed(), left) if left else 0
            group = await take(self._channel, self._queue, size)

    async def settle(
        self, group: list[DeliveredMessage], keep: Iterable[DeliveredMessage] = ()
    ) -> None:
        """Done with this group: those to `keep` are published again at the end of the queue, and once
        that is confirmed, all are acknowledged. A requeue would keep a classic queue handing out the
        same ones, and would lose the order.

        All in one acknowledgement: of many, a channel that closes loses those that a quorum queue has
        not taken yet (seen on 3.10.8: the last 17 of 50), and the messages would be there twice.
        """
        await self._publish_and_acknowledge(group, keep, lambda _: ("", self._queue))

    async def hand_on(
        self, group: list[DeliveredMessage], where: Callable[[DeliveredMessage], tuple[str, str]]
    ) -> None:
        """Done with this group: all are published to the exchange and key that `where` says, and once
        that is confirmed, acknowledged here."""
        await self._publish_and_acknowledge(group, group, where)

    async def _publish_and_acknowledge(
        self,
        group: list[DeliveredMessage],
        publish: Iterable[DeliveredMessage],
        where: Callable[[DeliveredMessage], tuple[str, str]],
    ) -> None:
        # A broker that is out of memory or disk confirms nothing until it has some again.
        async with asyncio.timeout(self._seconds):
            await asyncio.gather(*(self._publish(one, *where(one)) for one in publish))
        await group[-1].channel.basic_ack(group[-1].delivery_tag or 0, multiple=True, wait=False)

    async def _publish(self, delivered: DeliveredMessage, exchange: str, key: str) -> None:
        properties = copy(delivered.header.properties)
        properties.message_id = uuid.uuid4().hex
        # 4.x says nothing of a first delivery, and would leave what it said of the message before.
        found = (properties.headers or {}).items()
        properties.headers = {name: value for name, value in found if name not in _COUNTS}
        await self._channel.basic_publish(
            delivered.body,
            exchange=exchange,
            routing_key=key,
            properties=properties,
            mandatory=True,
            # As in publishing.py: the confirm says more than a drained socket.
            wait=False,
        )


@asynccontextmanager
async def one_pass(
    publisher: Publishes, settings: Settings, queue: str, *, alone: bool
) -> AsyncIterator[Pass]:
    """Go through what the queue holds now; no other pass does so meanwhile, and with `alone`, nobody
    else consumes it either. What is not settled when it ends goes back.

    Raises QueueNotFound, QueueBusy, BrokerUnavailable, ConfigurationError.
    """
    async with passing(publisher, settings, queue, alone=alone) as channel:
        yield Pass(channel, queue, settings.publish_timeout)


@asynccontextmanager
async def passing(
    publisher: Publishes, settings: Settings, queue: str, *, alone: bool
) -> AsyncIterator[Channel]:
    """The channel of a pass, which keeps others out. Raises as one_pass()."""
    if await publisher.depth(queue) is None:
        raise QueueNotFound(queue=queue)
    try:
        async with locked(publisher, settings, queue) as channel:
            if alone:
                await require_no_consumers(publisher, queue)
            yield channel
    except LOST as error:
        raise BrokerUnavailable(
            url=settings.shown_amqp_url,
            reason=error,
            fate="What the pass has done stays done: run it again for the rest.",
        ) from error


@asynccontextmanager
async def locked(publisher: Publishes, settings: Settings, queue: str) -> AsyncIterator[Channel]:
    """A channel of one's own that keeps all other passes out of the queue. Raises QueueBusy."""
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(publisher.own_channel())
        while not await _locked(channel, settings, queue):
            channel = await stack.enter_async_context(publisher.own_channel())
        yield channel


async def require_no_consumers(publisher: Publishes, queue: str) -> None:
    """Return if nobody consumes the queue, or if there is none. Raises QueueBusy."""
    found = await publisher.depth(queue)
    if found is not None and found.consumer_count:
        raise QueueBusy(queue=queue)


async def _locked(channel: Channel, settings: Settings, queue: str) -> bool:
    """True once this channel has the queue to itself among passes, until it closes, however that
    happens; False if it has closed now and another must try. Raises QueueBusy, ConfigurationError.

    An exclusive consumer of the queue itself would not do: a quorum queue takes a second one (seen on
    3.10.8), and a consumer that stays is sent what has just been put back. So the pass is the exclusive
    consumer of an empty classic queue. A lease with an expiry could lapse before the broker has taken
    back what a dead pass held; this goes with the channel, as those letters do.
    """
    lock = f"{settings.namespace}.pass.{queue}"
    try:
        # Durable, since 4.3 refuses shared queues that are not.
        await channel.queue_declare(
            lock, durable=True, auto_delete=True, arguments={"x-queue-type": "classic"}
        )
        try:
            await channel.basic_consume(lock, _nothing, no_ack=True, exclusive=True)
        except aiormq.ChannelNotFoundEntity:
            return False  # the pass before has just ended, and the lock went with its last consumer
    except aiormq.ChannelAccessRefused as error:
        if "in exclusive use" in str(error):
            raise QueueBusy(queue=queue) from error
        raise ConfigurationError(
            message=f"RabbitMQ does not let this user use the queue {lock}, which keeps a second pass "
            f"out of {queue}: give the user configure and read permissions for that name"
        ) from error
    return True


async def _nothing(_: DeliveredMessage) -> None:
    """Called for a message of the lock, of which there are none."""
