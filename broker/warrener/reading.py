"""Reading from RabbitMQ what other clients wrote: AMQP says what bytes a property may hold, and no broker
checks it.

pamqp raises for text that is not UTF-8 and for times beyond the year 9999, in the task that reads the whole
connection: one such message, delivered again after each reconnect, would stop everything. Here the
properties of such a message are replaced before pamqp sees them, by a content type that messages.decode()
knows. It works by aiormq's own seam, the transport factory, and patches nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aio_pika import Connection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp import constants
from pamqp.header import ContentHeader
from yarl import URL

from .messages import UNREADABLE

_FIXED = 12
"""Bytes of a content header before the property flags: class, weight, size of the body (AMQP 0-9-1,
§4.2.6.1)."""
_CONTENT_TYPE = b"\x80\x00"
"""The property flags when there is a content type and nothing else."""


def readable(header: bytes) -> bytes:
    """A content header's payload that pamqp can decode, in as many bytes as this one has."""
    try:
        ContentHeader().unmarshal(header)
        return header
    except Exception:  # whatever its decoders raise for bytes that make no sense
        text = UNREADABLE.encode()
        properties = _CONTENT_TYPE + bytes([len(text)]) + text
        if len(header) < _FIXED + len(properties):
            properties = b"\x00\x00"  # no room to say more: a message without any property
        return (header[:_FIXED] + properties).ljust(len(header), b"\x00")


class CarefulReader(asyncio.StreamReader):
    """What aiormq reads frames from: in turn their first byte, the rest of their head, their payload."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        super().__init__()
        self._stream = stream
        self._type = 0

    async def readexactly(self, n: int) -> bytes:
        """The next n bytes; a content header's payload such that it can be decoded."""
        found = await self._stream.readexactly(n)
        if n == 1:
            self._type = found[0]
        elif self._type == constants.FRAME_HEADER and n > constants.FRAME_HEADER_SIZE:
            return readable(found[:-1]) + found[-1:]
        return found

    async def read(self, n: int = -1) -> bytes:
        """As the stream does."""
        return await self._stream.read(n)

    def at_eof(self) -> bool:
        """As the stream does."""
        return self._stream.at_eof()


async def open_streams(
    url: URL, **kwargs: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What aiormq itself would open for this URL."""
    plain = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
    return await plain.create(url, **kwargs)


class _Transport(TransportFactory):
    """Opens what aiormq would open, and reads it with care."""

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await open_streams(url, **kwargs)
        return CarefulReader(reader), writer


class CarefulConnection(Connection):
    """A connection that no message can break."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kwargs["transport_factory"] = _Transport()
