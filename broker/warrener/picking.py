"""Picking a few letters out of a dead queue that holds many. What is not picked is held until the end and
goes back to its place: nothing is published again, and a pass may end where the last one was found.

RabbitMQ hands messages out from the head alone, so that whatever lies before a letter must be taken too.
What a channel held when it closes goes back to the head of a quorum queue, behind what went back before,
and to its place in a classic one: so each group has a channel of its own, and they are closed in order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import cast

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from .outgoing import Publishes
from .settings import Settings
from .taking import WINDOW, Allowance, Going, Pass, at_full_speed, passing, take

FEW = 100
"""Letters for which it is worth while."""
MOST_HELD = 200_000
"""Letters, at most, of a queue that is gone through so: RabbitMQ keeps an account of each that is held."""
OFTEN = 10
"""Returns after which letters are written anew instead: RabbitMQ counts them, and 4.x gives a message up
after 20 where somebody else has declared the queue, without a limit."""
GROUP = 1000
BYTES = 16_000_000
"""At most of a group, as its letters are about as long as those of the group before it."""
MANY_CHANNELS = 1000
"""After which groups are as large as they may be, however long their letters: RabbitMQ's `channel_max` is
2047, and no more than MOST_HELD letters are left."""


class Picking:
    """Going through a dead queue, as taking.Going says, from the `first` letter on, which was got on this
    channel."""

    in_place = True

    def __init__(self, channel: Channel, queue: str, first: DeliveredMessage) -> None:
        self._queue = queue
        self._held = [channel]
        self._last = first
        self._left = first.message_count or 0
        self._size = WINDOW
        self._short = False
        self.whole = False

    async def groups(
        self, allowed: Allowance = at_full_speed
    ) -> AsyncIterator[list[DeliveredMessage]]:
        """What the queue has now, as far as it is allowed."""
        group = [self._last]
        while group:
            yield group
            # Not as few as a limit leaves: each group takes a channel, and what is not picked stays.
            group = await self._next(self._size) if await allowed() else []
        self.whole = self._left == 0 and not self._short
        # What went back before would be in front of what goes back now: it is held once more.
        while _returns(self._last) and await self._next(self._size):
            pass

    async def _next(self, size: int) -> list[DeliveredMessage]:
        size = min(size, self._left)
        if size == 0:
            return []
        channel = await self._held[0].connection.channel(publisher_confirms=False)
        self._held.append(cast(Channel, channel))
        group = await take(self._held[-1], self._queue, size)
        self._short = len(group) < size
        self._left = 0 if self._short else self._left - size
        if group:
            self._last = group[-1]
            length = sum(len(one.body) for one in group) // len(group)
            few = len(self._held) < MANY_CHANNELS
            self._size = max(1, min(GROUP, BYTES // (length + 1))) if few else GROUP
        return group

    async def settle(
        self, group: list[DeliveredMessage], keep: Iterable[DeliveredMessage] = ()
    ) -> None:
        """Done with this group, but for those to `keep`."""
        kept = {id(one) for one in keep}
        for one in group:
            if id(one) not in kept:
                await one.channel.basic_ack(one.delivery_tag or 0, wait=False)
                # A channel that closes loses acknowledgements that a quorum queue has not taken yet; its
                # answer to this is behind them.
                await one.channel.queue_declare(self._queue, passive=True)

    async def close(self) -> None:
        """What is held goes back, in its order."""
        for channel in self._held:
            if not channel.is_closed:
                await channel.close()


def _returns(letter: DeliveredMessage) -> int:
    """How often it has gone back to its quorum queue; classic ones put back to its place what they had."""
    count = (letter.header.properties.headers or {}).get("x-delivery-count")
    return count if isinstance(count, int) else 0


@asynccontextmanager
async def few_of(publisher: Publishes, settings: Settings, queue: str) -> AsyncIterator[Going]:
    """A pass that picks, or one that writes the queue anew, where that is better. Raises as one_pass()."""
    async with passing(publisher, settings, queue, alone=True) as channel:
        own = cast(Channel, await channel.connection.channel(publisher_confirms=False))
        first = await own.basic_get(queue)
        if (
            first.message_count is None
            or _returns(first) >= OFTEN
            or first.message_count > MOST_HELD
        ):
            try:
                yield Pass(channel, queue, settings.publish_timeout, first)
            finally:
                await own.close()
            return
        picking = Picking(own, queue, first)
        try:
            yield picking
        finally:
            await picking.close()
