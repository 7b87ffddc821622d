"""What parent and child say to each other: frames over a socketpair, joined into one write per wake-up.

    ┌────────────┬──────┬───────────────┬─────────────┬───────┐
    │ length u32 │ kind │ header's u32  │ header JSON │ body  │
    └────────────┴──────┴───────────────┴─────────────┴───────┘
The length counts what follows it. The body is bytes that the parent never decodes.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, cast

import orjson

log = logging.getLogger(__name__)

_PREFIX = struct.Struct(">IBI")
_LENGTH = struct.Struct(">I")
LONGEST = 256 * 1024 * 1024


class Kind(IntEnum):
    """What a frame says. Upwards: child to parent."""

    REGISTRY = 1  # up: the app's tasks (body)
    READY = 2  # up: the app is imported and its lifespan entered
    RUN = 3  # down: run this job (body: its message's body)
    DONE = 4  # up: how a run ended (body: the result)
    SEND = 5  # up: submit these jobs (body: their bodies, joined)
    SENT = 6  # down: what became of them
    PROGRESS = 7  # up: how far a run has come
    STOP = 8  # down: leave the lifespan and end
    CANCEL = 9  # down: this run was revoked


_KINDS = {int(kind): kind for kind in Kind}


class Frame(NamedTuple):
    """One thing said."""

    kind: Kind
    header: dict[str, Any]
    body: bytes = b""


class BrokenFrame(Exception):
    """The other side sent bytes that are no frame."""


def encode(frame: Frame) -> bytes:
    """The frame as bytes."""
    header = orjson.dumps(frame.header)
    prefix = _PREFIX.pack(5 + len(header) + len(frame.body), frame.kind, len(header))
    return prefix + header + frame.body


class Splitter:
    """Cuts a stream of bytes into frames, wherever the pieces begin and end."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises BrokenFrame."""
        # Mostly a read begins with a frame: then nothing is copied but what is handed on.
        buffer: bytes | bytearray = data
        if self._rest:
            self._rest += data
            buffer = self._rest
        frames, at = [], 0
        while len(buffer) - at >= _PREFIX.size:
            length, kind, header_length = _PREFIX.unpack_from(buffer, at)
            if length > LONGEST or header_length + 5 > length:
                raise BrokenFrame(f"lengths {length} and {header_length}")
            end = at + _LENGTH.size + length
            if len(buffer) < end:
                break
            header_at = at + _PREFIX.size
            body_at = header_at + header_length
            frames.append(
                _frame(kind, bytes(buffer[header_at:body_at]), bytes(buffer[body_at:end]))
            )
            at = end
        if buffer is self._rest:
            del self._rest[:at]
        else:
            self._rest += buffer[at:]
        return frames


def _frame(kind: int, header: bytes, body: bytes) -> Frame:
    try:
        facts = orjson.loads(header)
    except ValueError as error:
        raise BrokenFrame(str(error)) from error
    if not isinstance(facts, dict):
        raise BrokenFrame("the header is no object")
    if kind not in _KINDS:
        raise BrokenFrame(f"{kind} is no kind of frame")
    return Frame(_KINDS[kind], facts, body)


class FrameLink(asyncio.Protocol):
    """One end of the socketpair. What is said within one turn of the loop leaves in one write.

    `on_frames` gets each read's frames together; `on_lost` is told once when the other end is gone.
    """

    def __init__(
        self, on_frames: Callable[[list[Frame]], None], on_lost: Callable[[str], None]
    ) -> None:
        self._on_frames = on_frames
        self._on_lost = on_lost
        self._splitter = Splitter()
        self.broken = False
        """True once the other end has sent what makes no sense: it must not be believed any more."""
        self._told = False
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def say(self, kind: Kind, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame at the end of this turn of the loop; dropped if the other end is gone."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(encode(Frame(kind, header, body)))

    def _flush(self) -> None:
        data, self._outgoing = b"".join(self._outgoing), []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.broken:
            return
        try:
            if frames := self._splitter.feed(data):
                self._on_frames(frames)
        except BrokenFrame as error:
            self._break(f"it sent bytes that are no frame ({error})")
        except Exception as error:
            log.exception("frames that cannot be understood")
            self._break(f"it sent frames that cannot be understood ({error!r})")

    def _break(self, reason: str) -> None:
        self.broken = True
        self._tell(reason)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(str(exc) if exc else "its end was closed")

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._on_lost(reason)

    def close(self) -> None:
        """Close this end, after what was said has left."""
        if self._transport is not None:
            if self._outgoing:
                self._flush()
            self._transport.close()
