"""Processes that are forked from the zygote, as asyncio has those that it starts itself."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Started(Protocol):
    """A process of asyncio's, or one that was forked."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: int) -> None: ...


class Forked:
    """`warrener …`, forked from the zygote."""

    def __init__(self, asked: socket.socket, stdout: asyncio.StreamReader) -> None:
        # The handle is of this process, also when it has ended and another has its id.
        pid, [self._handle, *_], _, _ = socket.recv_fds(asked, 100, 1)
        self.pid = int(pid)
        self.stdout: asyncio.StreamReader | None = stdout
        self.returncode: int | None = None
        asked.setblocking(False)
        self._ended = asyncio.create_task(self._read(asked))

    async def _read(self, asked: socket.socket) -> int:
        answer = await asyncio.get_running_loop().sock_recv(asked, 100)
        self.returncode = int(answer)
        asked.close()
        os.close(self._handle)
        return self.returncode

    async def wait(self) -> int:
        """Its exit code, once it has ended; minus the number of a signal that ended it."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send it a signal. Raises ProcessLookupError if it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._handle, number)


async def fork(arguments: Sequence[str], environment: Mapping[str, str]) -> Forked:
    """`warrener` with these arguments and this environment. Its standard error goes to its standard
    output."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    receiving, sending = os.pipe()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb", 0)
    )
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked.connect(_zygote())
    wanted = {"arguments": list(arguments), "environment": dict(environment)}
    request = json.dumps({**wanted, "folder": os.getcwd()})
    socket.send_fds(asked, [request.encode()], [sending])
    os.close(sending)
    return Forked(asked, reader)


@functools.cache
def _zygote() -> str:
    """The socket of the session's zygote, which starts with the first that is asked for."""
    folder = tempfile.TemporaryDirectory(prefix="warrener-zygote-")
    path = Path(folder.name) / "socket"
    command = [sys.executable, "-m", "tests.zygote", str(path)]
    zygote = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],  # wherever the test that comes first stands
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert zygote.stdout is not None
    assert zygote.stdout.readline() == b"listens\n"

    @atexit.register
    def end() -> None:
        zygote.communicate()
        folder.cleanup()

    return str(path)
