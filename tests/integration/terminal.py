"""A command in a pseudo-terminal, driven as a person would."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support import PATIENCE

# Makes the terminal the process's own, so that Ctrl-C typed there is a SIGINT.
_OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

CTRL_C = "\x03"


@dataclass
class Terminal:
    """What a command has shown, and a keyboard."""

    process: Process
    _master: int
    shown: str = ""
    _looked_at: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self) -> None:
        """Take in what the command shows."""
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # its last process has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.shown += data.decode(errors="replace")
        self._changed.set()

    async def expect(self, text: str) -> None:
        """Wait until this is shown, after what was waited for before."""
        try:
            async with asyncio.timeout(PATIENCE):
                while (at := self.shown.find(text, self._looked_at)) < 0:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"it did not show {text!r}:\n{self.shown}") from None
        self._looked_at = at + len(text)

    def type(self, text: str) -> None:
        """Type this."""
        os.write(self._master, text.encode())

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def in_a_terminal(*arguments: str, **environment: str) -> AsyncIterator[Terminal]:
    """`warrener …` in a terminal of its own; killed at the end if it still runs."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "warrener_workers.cli", *arguments]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _OWN_TERMINAL, *command),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb", **environment},
        start_new_session=True,
    )
    os.close(slave)
    terminal = Terminal(process, master)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, terminal.read)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        loop.remove_reader(master)
        os.close(master)
