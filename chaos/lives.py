"""When each child process ended: it holds a socket open, which the kernel closes with it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path


class Lives:
    """Listens for children, and notes when they are gone."""

    def __init__(self) -> None:
        self.deaths: dict[str, float] = {}
        self._server: asyncio.Server

    async def start(self, path: Path) -> None:
        """Listen at this socket."""
        self._server = await asyncio.start_unix_server(self._follow, str(path))

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = (await reader.readline()).decode().strip()
        with contextlib.suppress(OSError):  # reset: it ended as well
            await reader.read()
        if who:
            self.deaths[who] = time.monotonic()
        writer.close()

    async def close(self) -> None:
        """Listen no more."""
        self._server.close()
