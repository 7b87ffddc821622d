"""Joining what many do at once: publishes into one write, and calls of one kind into one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError

from . import wire

T = TypeVar("T")

FULL = 0.005
"""Seconds after which a full queue of writes is tried again."""


class JoinedPublishes:
    """Publishes on one confirming channel, on which nobody else publishes: those of one turn of the loop
    leave in one write. Confirms and returned messages stay aiormq's."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[str, bytes, asyncio.Future[object]]] = []

    def publish(
        self, exchange: str, key: str, properties: spec.Basic.Properties, body: bytes
    ) -> asyncio.Future[object]:
        """Publish at the end of this turn; done once the broker confirms it. Cancelled before that, it is
        not published. Raises ChannelInvalidStateError, ValueError."""
        channel = self.channel
        if channel.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        most = channel.max_content_size
        data = wire.publish(channel.number, exchange, key, properties, body, most)
        confirmed: asyncio.Future[object] = channel.create_future()
        if not self._waiting:
            self._loop.call_soon(self._write)
        self._waiting.append((properties.message_id or "", data, confirmed))
        return confirmed

    def _write(self) -> None:
        channel = self.channel
        if channel.write_queue.full() and not channel.is_closed:
            self._loop.call_later(FULL, self._write)
            return
        waiting, self._waiting = self._waiting, []
        if channel.is_closed:
            return  # which has ended all of them
        # Numbered and written without a pause between: the broker counts what it gets.
        written = [one for one in waiting if not one[2].done()]
        for message_id, _, confirmed in written:
            channel.delivery_tag += 1
            tag = channel.delivery_tag
            channel.confirmations[tag] = confirmed
            channel.message_id_delivery_tag[message_id] = tag
            confirmed.add_done_callback(self._forget(message_id))
        if written:
            payload = b"".join(data for _, data, _ in written)
            channel.write_queue.put_nowait(ChannelFrame(payload, should_close=False))

    def _forget(self, message_id: str) -> Callable[[object], None]:
        def forget(_: object) -> None:
            self.channel.message_id_delivery_tag.pop(message_id, None)

        return forget


class _Batch(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """Tell whoever waits; if nobody does, nobody is to hear of it."""
        self.done.set_exception(error)
        self.done.exception()


class JoinedCalls(Generic[T]):
    """One call of `do` at a time: what is asked for during one is done together in the next, at most `most`
    items at once. Where a call raises `away`, nobody is there, and what waits behind it is not tried."""

    def __init__(
        self,
        do: Callable[[Sequence[T]], Awaitable[object]],
        most: int,
        away: type[Exception],
    ) -> None:
        self._do = do
        self._most = most
        self._away = away
        self._coming: list[_Batch[T]] = []
        self._running: asyncio.Task[None] | None = None

    async def do(self, items: Sequence[T]) -> None:
        """Return once these are done. Raises what that raises. Whoever is cancelled stops nothing that
        others wait for."""
        batch = self._coming[-1] if self._coming else None
        if batch is None or len(batch.items) + len(items) > self._most:
            batch = _Batch[T]()
            self._coming.append(batch)
        batch.items.extend(items)
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        await asyncio.shield(batch.done)

    async def _run(self) -> None:
        while self._coming:
            batch = self._coming.pop(0)
            try:
                await self._do(batch.items)
            except asyncio.CancelledError:
                batch.fail(TimeoutError("it was given up"))
                raise
            except Exception as error:
                batch.fail(error)
                if isinstance(error, self._away):
                    self._give_up(error)
            else:
                batch.done.set_result(None)

    def _give_up(self, error: Exception) -> None:
        coming, self._coming = self._coming, []
        for batch in coming:
            batch.fail(error)

    async def drain(self, seconds: float) -> None:
        """Return once nothing is under way; what still is after so many seconds is given up, and raises
        TimeoutError."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=seconds)
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._give_up(TimeoutError("it was given up"))
