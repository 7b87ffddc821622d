"""Starting a worker: with child processes, or solo with user code in the main thread."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from functools import partial
from typing import Any

from warrener.app import load_app

from . import child, loops
from .child_process import Child, ChildSettings, spawn
from .frames import FrameLink
from .worker import Worker, WorkerSettings


def run_worker(mine: WorkerSettings, children: ChildSettings) -> None:
    """Run a worker with child processes until SIGTERM or SIGINT. Raises what Worker.run raises."""

    async def main() -> None:
        worker = Worker(mine, partial(spawn, children))
        _stop_on_signals(worker)
        await worker.run()

    loops.run(main())


def _stop_on_signals(worker: Worker) -> None:
    """The first signal stops the worker safely; the second ends it at once, and RabbitMQ delivers
    again what it held."""
    loop = asyncio.get_running_loop()
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(EXIT_FORCED)
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


EXIT_FORCED = 130


def run_solo(mine: WorkerSettings, children: ChildSettings) -> None:
    """Run a worker whose tasks run in the main thread, one at a time, so that breakpoint() works, while
    another thread keeps RabbitMQ's heartbeats. Time limits cannot be enforced. Raises what Worker.run
    raises."""
    app = load_app(children.app)
    ours, theirs = socket.socketpair()
    parent = _SoloParent(mine, ours)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, parent.on_signal)
    parent.thread.start()

    async def main() -> None:
        await child.Child(app, children.threads).serve(theirs)

    loops.run(main(), fast=False)
    parent.thread.join()
    if parent.error is not None:
        raise parent.error


class _SoloParent:
    """The worker's own half, in a thread beside the main one."""

    def __init__(self, mine: WorkerSettings, sock: socket.socket) -> None:
        self._mine = mine
        self._sock = sock
        self._worker: Worker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signals = 0
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="warrener-worker")

    def _run(self) -> None:
        try:
            loops.run(self._main(), fast=False)
        except BaseException as error:
            self.error = error
        finally:
            self._sock.close()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(self._mine, self._adopt_main_thread)
        await self._worker.run()

    async def _adopt_main_thread(self, *, alone: bool, on_frames: Any, on_exit: Any) -> Child:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: FrameLink(
                lambda frames: on_frames(adopted, frames),
                lambda reason: on_exit(adopted, reason),
            ),
            sock=self._sock,
        )
        adopted = Child(alone=False, link=link)
        return adopted

    def on_signal(self, number: int, frame: Any) -> None:
        """Stop the worker; a second signal ends the process, as a debugger's prompt may hold it."""
        self._signals += 1
        if self._signals > 1 or self._loop is None or self._worker is None:
            os._exit(EXIT_FORCED)
        self._loop.call_soon_threadsafe(self._worker.stop)
