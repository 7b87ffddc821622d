"""What a worker says of its deliveries: all that is settled within one turn of the loop leaves in one
write, and what one acknowledgement can say is said by one."""

from __future__ import annotations

import asyncio
import struct
from typing import Protocol

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel

from warrener.joining import FULL

_ACK = struct.Struct(">BHIHHQBB")
_END = 0xCE


class Settles(Protocol):
    """Where a delivery is settled. Each tag is settled once."""

    @property
    def is_closed(self) -> bool:
        """True once its tags mean nothing any more."""

    def acknowledge(self, tag: int) -> None:
        """It is done with."""

    def give_back(self, tag: int, *, requeue: bool) -> None:
        """It is not: its queue gets it back, or the broker dead-letters it."""


class Acks:
    """Settles the deliveries of one channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._loop = asyncio.get_running_loop()
        self._unsettled: dict[int, None] = {}
        self._settled: list[int] = []
        self._refused: list[bytes] = []
        self._due = False
        self._ending = False

    @property
    def is_closed(self) -> bool:
        """True once the channel is gone, or going."""
        return self._ending or self.channel.is_closed

    def end(self) -> None:
        """The transport has seen the channel's end, which aiormq handles later: an acknowledgement
        behind our Close-Ok would cost the connection."""
        self._ending = True

    def received(self, tag: int) -> None:
        """This tag came. Each must be noted: what `multiple` covers is told by those that are not
        settled."""
        self._unsettled[tag] = None

    def acknowledge(self, tag: int) -> None:
        """Acknowledge it at the end of this turn."""
        self._unsettled.pop(tag, None)
        self._settled.append(tag)
        self._soon()

    def give_back(self, tag: int, *, requeue: bool) -> None:
        """basic.nack, at the end of this turn."""
        self._unsettled.pop(tag, None)
        number = self.channel.number
        self._refused.append(_ACK.pack(1, number, 13, 60, 120, tag, 2 if requeue else 0, _END))
        self._soon()

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        payload = self._take()
        if not payload or self.is_closed:
            return
        try:
            self.channel.write_queue.put_nowait(ChannelFrame(payload, should_close=False))
        except asyncio.QueueFull:
            # In front of what comes meanwhile: a nack must not come behind an acknowledgement that
            # would cover it.
            self._refused.insert(0, payload)
            self._due = True
            self._loop.call_later(FULL, self._flush)

    def _take(self) -> bytes:
        settled, self._settled = self._settled, []
        frames, self._refused = self._refused, []
        # Nacks first, and only what no earlier tag waits behind is covered at once.
        lowest = next(iter(self._unsettled), None)
        covered = [tag for tag in settled if lowest is None or tag < lowest]
        number = self.channel.number
        if len(covered) > 1:
            frames.append(_ACK.pack(1, number, 13, 60, 80, max(covered), 1, _END))
            settled = [tag for tag in settled if lowest is not None and tag > lowest]
        frames += [_ACK.pack(1, number, 13, 60, 80, tag, 0, _END) for tag in settled]
        return b"".join(frames)

    async def flushed(self) -> None:
        """Return once everything that was said has been written. Raises ConnectionError or OSError where
        there is nobody to write to."""
        payload = self._take()
        if self.is_closed:
            return
        written = self._loop.create_future()
        await self.channel.write_queue.put(ChannelFrame(payload, False, written))
        await written
