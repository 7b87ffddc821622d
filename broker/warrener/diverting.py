"""Cutting deliveries out of what RabbitMQ sends: the fast transport's pure half (AMQP 0-9-1, §4.2).

Bytes go in wherever they were split; deliveries to our own consumers come out as one batch for each read,
and every other byte comes out as it was. A delivery is told by its consumer's tag, not by a
channel's number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

_HEAD = struct.Struct(">BHI")
_SIZE = struct.Struct(">Q")
_TAG = struct.Struct(">Q")
METHOD, HEADER, BODY, END = 1, 2, 3, 0xCE
_DELIVER = b"\x00\x3c\x00\x3c"
_OPEN_OK = b"\x00\x14\x00\x0b"
_CLOSE = b"\x00\x14\x00\x28"
_CLOSE_OK = b"\x00\x14\x00\x29"
_RESETS = frozenset({_OPEN_OK, _CLOSE, _CLOSE_OK})


class Diverted(NamedTuple):
    """One delivery. `header` is its content header's payload, which nobody has decoded yet."""

    channel: int
    consumer: bytes
    tag: int
    routing_key: bytes
    header: bytes
    body: bytes


class _Content:
    """A delivery whose content is still coming."""

    __slots__ = ("header", "left", "method", "parts")

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.header = b""
        self.left = 0
        self.parts: list[bytes] = []


Sink = Callable[[Sequence[Diverted]], None]


class Diverter:
    """Diverts what is delivered to consumers whose tags begin with `prefix`, once that is set.

    `sink` gets the batches, in front of the bytes that came with them; `on_reset` gets the number of each
    channel that is opened or closed, as soon as it is seen.
    """

    def __init__(self) -> None:
        self.prefix = b""
        self.sink: Sink = lambda _: None
        self.on_reset: Callable[[int], None] = lambda _: None
        self._rest = b""
        self._coming: dict[int, _Content] = {}

    def feed(self, data: bytes) -> bytes:
        """The bytes that are not ours. What makes no sense is among them: aiormq says so."""
        if self._rest:
            data = self._rest + data
        batch: list[Diverted] = []
        passed: list[bytes] = []
        end, at = len(data), 0
        while end - at >= 8:
            kind, channel, size = _HEAD.unpack_from(data, at)
            stop = at + size + 8
            if stop > end:
                break
            if data[stop - 1] != END or not self._is_ours(kind, channel, data, at, batch):
                passed.append(data[at:stop])
            at = stop
        self._rest = data[at:]
        if batch:
            self.sink(batch)
        return b"".join(passed)

    def _is_ours(
        self, kind: int, channel: int, data: bytes, at: int, batch: list[Diverted]
    ) -> bool:
        if kind == METHOD:
            return self._method(channel, data, at)
        coming = self._coming.get(channel)
        if coming is None or kind not in {HEADER, BODY}:
            return False
        payload = data[at + 7 : at + 7 + _HEAD.unpack_from(data, at)[2]]
        if kind == HEADER:
            coming.header = payload
            coming.left = _SIZE.unpack_from(payload, 4)[0] if len(payload) >= 14 else 0
        else:
            coming.parts.append(payload)
            coming.left -= len(payload)
        if coming.left <= 0:
            del self._coming[channel]
            batch.append(_complete(channel, coming))
        return True

    def _method(self, channel: int, data: bytes, at: int) -> bool:
        name = data[at + 7 : at + 11]
        if name == _DELIVER and self.prefix and data.startswith(self.prefix, at + 12):
            size = _HEAD.unpack_from(data, at)[2]
            self._coming[channel] = _Content(data[at + 11 : at + 7 + size])
            return True
        if name in _RESETS:
            # Whatever of its content was on the way does not come any more.
            self._coming.pop(channel, None)
            self.on_reset(channel)
        return False


def _complete(channel: int, coming: _Content) -> Diverted:
    method, parts = coming.method, coming.parts
    # consumer-tag shortstr, delivery-tag u64, redelivered u8, exchange shortstr, routing-key shortstr
    after = 1 + method[0]
    exchange = after + 9
    key = exchange + 1 + method[exchange]
    return Diverted(
        channel,
        method[1:after],
        _TAG.unpack_from(method, after)[0],
        method[key + 1 : key + 1 + method[key]],
        coming.header,
        parts[0] if len(parts) == 1 else b"".join(parts),
    )
