"""What tests share: workers and other processes of Warrener's own, started for real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from warrener.settings import Settings

from .forked import Started, fork

PATIENCE = 60.0
"""Seconds after which something that should have happened counts as not happening."""


@dataclass
class Running:
    """A process whose log lines can be waited for."""

    process: Started
    lines: list[str] = field(default_factory=list)
    _seen: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Start collecting its lines."""
        self._reading = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._seen:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._seen.notify_all()
        async with self._seen:
            self.lines.append("(end of output)")
            self._seen.notify_all()

    async def says(self, text: str, *, times: int = 1) -> str:
        """Wait until a line with this text has come, so many times; answers the last of them."""
        try:
            async with asyncio.timeout(PATIENCE), self._seen:
                while True:
                    found = [line for line in self.lines if text in line]
                    if len(found) >= times:
                        return found[times - 1]
                    if self.lines and self.lines[-1] == "(end of output)":
                        raise AssertionError(f"it ended without saying {text!r}:\n" + self.log)
                    await self._seen.wait()
        except TimeoutError:
            raise AssertionError(f"it did not say {text!r}:\n" + self.log) from None

    @property
    def log(self) -> str:
        """All it has said."""
        return "\n".join(self.lines)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal; nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it and its output have ended."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            if self._reading is not None:
                await self._reading
        return code


@asynccontextmanager
async def running(
    *arguments: str, before: Sequence[str] = (), **environment: str
) -> AsyncIterator[Running]:
    """`warrener …` as a process of its own, killed at the end if it still runs. It leads a process
    group, as one does that was started from a terminal. `before` comes before its command line."""
    process = await _started(before, arguments, {**os.environ, "COLUMNS": "200", **environment})
    it = Running(process)
    it.read()
    try:
        yield it
    finally:
        it.kill(signal.SIGTERM)
        try:
            await it.ended()
        except TimeoutError:
            it.kill()
            await it.ended()


async def _started(
    before: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str]
) -> Started:
    if not before and environment.get("PYTHONPATH") == os.environ.get("PYTHONPATH"):
        return await fork(arguments, environment)
    return await asyncio.create_subprocess_exec(
        *(*before, sys.executable, "-m", "warrener_workers.cli", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        process_group=0,
    )


@asynccontextmanager
async def running_worker(
    app: str,
    queues: Sequence[str],
    amqp_url: str,
    redis_url: str,
    *options: str,
    before: Sequence[str] = (),
    **environment: str,
) -> AsyncIterator[Running]:
    """A worker that is ready."""
    environment = {"WARRENER_AMQP_URL": amqp_url, "WARRENER_REDIS_URL": redis_url, **environment}
    command = ("worker", *queues, "--app", app, *options)
    async with running(*command, before=before, **environment) as worker:
        await worker.says(" ready: ")
        yield worker


@contextmanager
def background_worker(
    app: str, queues: Sequence[str], settings: Settings, log: Path, **more: str
) -> Iterator[None]:
    """A worker that is ready, for tests on many event loops; its output goes to `log`."""
    environment = {
        **os.environ,
        "WARRENER_AMQP_URL": settings.amqp_url.get_secret_value(),
        "WARRENER_REDIS_URL": settings.redis_url.get_secret_value(),
        "WARRENER_NAMESPACE": settings.namespace,
        **more,
    }
    command = [sys.executable, "-m", "warrener_workers.cli", "worker", *queues, "--app", app]
    with background(command, environment, log, lambda: " ready: " in log.read_text()):
        yield


@contextmanager
def background(
    command: Sequence[str], environment: Mapping[str, str], log: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready, until the end; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
