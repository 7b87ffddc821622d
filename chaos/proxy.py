"""A TCP proxy whose connections can be cut, or left open and silent, as networks do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

CHUNK = 65_536


class Proxy:
    """Forwards one local port to another, until told otherwise."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def start(self) -> int:
        """Listen on a free port, and answer it."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs = await asyncio.open_connection("127.0.0.1", self._target())
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump(reader, theirs[1]), self._pump(theirs[0], writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while chunk := await reader.read(CHUNK):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass  # the other side has gone: so does this one
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def cut(self) -> None:
        """Reset every connection. New ones are let through."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def mute(self) -> None:
        """Nothing gets through, and nobody is told: connections stay open, new ones get no answer."""
        self._flows.clear()

    async def unmute(self) -> None:
        """Let everything through that was held."""
        self._flows.set()

    async def close(self) -> None:
        """Listen no more, and cut what is open."""
        self._server.close()
        await self.cut()
