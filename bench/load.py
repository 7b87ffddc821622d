"""Calls over HTTP from connections that stay open, each asking again as soon as it is answered: little
more than the sockets, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import cast

import uvloop

from .watching import Missing

WARM_UP = 0.3
"""Seconds before answers count."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Asking:
    """The same call again and again, as its bytes."""

    host: str
    port: int
    call: bytes


class _Caller(asyncio.Protocol):
    def __init__(self, call: bytes) -> None:
        self._call = call
        self._answer = b""
        self._transport: asyncio.WriteTransport | None = None
        self.answers = 0
        self.refused = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass
        self._transport.write(self._call)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self.refused = self._answer[:300]
        self.answers += 1
        self._answer = b""
        assert self._transport is not None
        self._transport.write(self._call)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def answers_per_second(asking: Asking, connections: int, seconds: float) -> float:
    """Raises Missing for an answer that is none of 2xx, and if there is none."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        callers = [_Caller(asking.call) for _ in range(connections)]
        for caller in callers:
            await loop.create_connection(lambda one=caller: one, asking.host, asking.port)  # type: ignore[misc]
        await asyncio.sleep(WARM_UP)
        before, began = sum(one.answers for one in callers), time.perf_counter()
        await asyncio.sleep(seconds)
        count, took = sum(one.answers for one in callers) - before, time.perf_counter() - began
        for one in callers:
            one.close()
            if one.refused:
                raise Missing(f"refused: {one.refused.decode(errors='replace')}")
        if not count:
            raise Missing(f"no answer within {seconds:g} s")
        return count / took

    return uvloop.run(main())
