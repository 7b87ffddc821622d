"""Joining what many do at once: publishes into one write, and calls of one kind into one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError

from . import wire

T = TypeVar("T")
R = TypeVar("R")

FULL = 0.005
"""Seconds after which a full queue of writes is tried again."""


Publish = tuple[str, str, spec.Basic.Properties, bytes]
"""Exchange, routing key, properties and body of a message."""


class Confirms:
    """What becomes of messages that are published together: `faults` in their order, where there are any,
    once `done`. A future for each, as aiormq makes it, would take longer than all else about a publish."""

    def __init__(self, count: int) -> None:
        self.faults: list[BaseException | None] = [None] * count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open = dict.fromkeys(range(count))
        """The places of those that nothing is known of yet."""

    def settle(self, place: int, fault: BaseException | None) -> None:
        """The broker has answered for this one, or never will."""
        self.faults[place] = fault
        self.open.pop(place, None)
        if not self.open and not self.done.done():
            self.done.set_result(None)


class _Confirm:
    """Stands in aiormq's table where it keeps a future, and has of it what aiormq uses."""

    __slots__ = ("_confirms", "_place")

    def __init__(self, confirms: Confirms, place: int) -> None:
        self._confirms = confirms
        self._place = place

    def done(self) -> bool:
        return self._confirms.done.done() or self._place not in self._confirms.open

    def cancelled(self) -> bool:
        return self._confirms.done.cancelled()

    def set_result(self, _: object) -> None:
        self._confirms.settle(self._place, None)

    def set_exception(self, error: BaseException) -> None:
        self._confirms.settle(self._place, error)


class JoinedPublishes:
    """Publishes on one confirming channel, on which nobody else publishes: those of one turn of the loop
    leave in one write. Confirms and returned messages stay aiormq's."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Confirms, list[tuple[int, str, bytes]]]] = []
        self._under_way: dict[Confirms, list[str]] = {}
        self._lost: asyncio.Future[object] = channel.create_future()
        # aiormq ends what it made for the channel when that closes.
        self._lost.add_done_callback(self._lose)

    def publish(self, messages: Sequence[Publish]) -> Confirms:
        """Publish these at the end of this turn. Cancelled before that, none of them is published; once the
        channel has closed, what is open has its error for a fault; what cannot be written has its own.
        Raises ChannelInvalidStateError."""
        channel = self.channel
        if channel.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        number, most = channel.number, channel.max_content_size
        confirms, frames = Confirms(len(messages)), []
        for place, message in enumerate(messages):
            try:
                data = wire.publish(number, *message, most)
            except (ValueError, TypeError) as error:  # its own fault, and no other's
                confirms.settle(place, error)
            else:
                frames.append((place, message[2].message_id or "", data))
        if confirms.done.done():
            return confirms
        if not self._waiting:
            self._loop.call_soon(self._write)
        self._waiting.append((confirms, frames))
        self._under_way[confirms] = [message_id for _, message_id, _ in frames]
        confirms.done.add_done_callback(lambda _: self._forget(confirms))
        return confirms

    def _write(self) -> None:
        channel = self.channel
        if channel.write_queue.full() and not channel.is_closed:
            self._loop.call_later(FULL, self._write)
            return
        waiting, self._waiting = self._waiting, []
        if channel.is_closed:
            return  # which has ended all of them
        # Numbered and written without a pause between: the broker counts what it gets.
        payload = []
        for confirms, frames in waiting:
            if confirms.done.done():
                continue
            for place, message_id, data in frames:
                channel.delivery_tag += 1
                tag = channel.delivery_tag
                channel.confirmations[tag] = cast(Any, _Confirm(confirms, place))
                channel.message_id_delivery_tag[message_id] = tag
                payload.append(data)
        if payload:
            channel.write_queue.put_nowait(ChannelFrame(b"".join(payload), should_close=False))

    def _forget(self, confirms: Confirms) -> None:
        for message_id in self._under_way.pop(confirms):
            self.channel.message_id_delivery_tag.pop(message_id, None)

    def _lose(self, lost: asyncio.Future[object]) -> None:
        error = None if lost.cancelled() else lost.exception()
        if error is None or isinstance(error, asyncio.CancelledError):
            error = AMQPConnectionError("its connection was closed meanwhile")
        for confirms in list(self._under_way):
            for place in list(confirms.open):
                confirms.settle(place, error)


class JoinedTurns(Generic[T, R]):
    """One call of `do` for all that is asked for within one turn of the loop; it answers each in order.
    Nobody waits for the calls of earlier turns. Who asks while no call is under way is not joined: one at a
    time, a task and a turn more would only be in the way."""

    def __init__(self, do: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._do = do
        self._items: list[T] = []
        self._askers: list[tuple[asyncio.Future[Sequence[R]], slice]] = []
        self._calls: dict[asyncio.Task[None], list[asyncio.Future[Sequence[R]]]] = {}
        self._under_way = 0

    async def do(self, items: Sequence[T]) -> Sequence[R]:
        """The answers for these. Raises what `do` raises. Whoever is cancelled stops no others."""
        if not self._under_way:
            self._under_way += 1
            try:
                return await self._do(items)
            finally:
                self._under_way -= 1
        loop = asyncio.get_running_loop()
        if not self._askers:
            loop.call_soon(self._begin)
        answers: asyncio.Future[Sequence[R]] = loop.create_future()
        start = len(self._items)
        self._items += items
        self._askers.append((answers, slice(start, len(self._items))))
        return await answers

    def _begin(self) -> None:
        items, self._items = self._items, []
        askers, self._askers = self._askers, []
        self._under_way += 1
        call = asyncio.get_running_loop().create_task(self._call(items, askers))
        self._calls[call] = [asker for asker, _ in askers]
        call.add_done_callback(self._over)

    def _over(self, call: asyncio.Task[None]) -> None:
        self._under_way -= 1
        del self._calls[call]

    async def end(self) -> None:
        """End the calls for whose answers nobody waits any more."""
        idle = [call for call, askers in self._calls.items() if all(one.done() for one in askers)]
        for call in idle:
            call.cancel()
        await asyncio.gather(*idle, return_exceptions=True)

    async def _call(
        self, items: Sequence[T], askers: Sequence[tuple[asyncio.Future[Sequence[R]], slice]]
    ) -> None:
        try:
            answers = await self._do(items)
        except BaseException as error:
            for asker, _ in askers:
                if not asker.done():
                    asker.set_exception(error)
                    asker.exception()  # whoever waits is told; if nobody does, it is no fault
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            for asker, mine in askers:
                if not asker.done():
                    asker.set_result(answers[mine])


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
