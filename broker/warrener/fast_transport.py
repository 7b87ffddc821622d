"""The fast transport: a connection that hands deliveries on in batches, past aiormq's reading by frames.
Handshake, heartbeats, calls, confirms and everything that is written stay aio-pika's. It stands on aiormq's
own seam, the transport factory, and can be deleted: reading.CarefulConnection takes its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from aiormq.connection import TransportFactory
from yarl import URL

from .diverting import Diverted, Diverter
from .reading import CarefulConnection, CarefulReader, open_streams

log = logging.getLogger(__name__)

AT_ONCE = 1 << 18
"""Bytes asked for in one read."""
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
OFTEN = 1.0
"""Seconds after which aiormq sees a heartbeat while all that comes is diverted: it takes a connection on
which it reads nothing for a stuck one."""


class _Diverting(asyncio.StreamReader):
    """What the careful reader, and behind it aiormq, reads from: what was not diverted."""

    def __init__(self, stream: asyncio.StreamReader, diverter: Diverter) -> None:
        super().__init__()
        self._stream = stream
        self._diverter = diverter
        self._passed = bytearray()
        self._clock = asyncio.get_running_loop().time
        self._shown = self._clock()

    async def readexactly(self, n: int) -> bytes:
        """The next n bytes that are aiormq's. Raises IncompleteReadError."""
        while len(self._passed) < n:
            data = await self._stream.read(AT_ONCE)
            if not data:
                raise asyncio.IncompleteReadError(bytes(self._passed), n)
            passed = self._diverter.feed(data)
            if passed:
                self._passed += passed
            elif n == 1 and not self._passed and self._clock() - self._shown >= OFTEN:
                self._passed += HEARTBEAT
            if self._passed:
                self._shown = self._clock()
        found = bytes(self._passed[:n])
        del self._passed[:n]
        return found

    def at_eof(self) -> bool:
        """True once nothing more comes."""
        return not self._passed and self._stream.at_eof()


class _FastTransport(TransportFactory):
    def __init__(self, diverter: Diverter) -> None:
        self._diverter = diverter

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await open_streams(url, limit=AT_ONCE, **kwargs)
        return CarefulReader(_Diverting(reader, self._diverter)), writer


class FastConnection(CarefulConnection):
    """A connection whose deliveries may be diverted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._diverter = Diverter()
        self.kwargs["transport_factory"] = _FastTransport(self._diverter)

    def divert(
        self,
        prefix: str,
        sink: Callable[[Sequence[Diverted]], None],
        on_reset: Callable[[int], None],
    ) -> None:
        """From now on, deliveries to consumers whose tags begin so go to `sink`, as many as one read
        brings; `on_reset` gets the numbers of channels that open or close. An error of either is logged
        and ends the connection, so that what it held is delivered again."""

        def contained(batch: Sequence[Diverted]) -> None:
            try:
                sink(batch)
            except Exception:
                log.exception("%d deliveries could not be taken; connecting again", len(batch))
                raise ConnectionResetError("deliveries could not be taken") from None

        self._diverter.prefix = prefix.encode()
        self._diverter.sink = contained
        self._diverter.on_reset = on_reset
