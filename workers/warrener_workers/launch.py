"""Starting a worker with child processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from functools import partial

from . import loops
from .child_process import ChildSettings, spawn
from .worker import EXIT_FORCED, Worker
from .worker_settings import WorkerSettings

YOUNG = 20_000
"""Objects made and not freed after which the garbage collector looks at the young ones: Python's default
of 700 is reached with every hundred jobs under way, again and again."""


def run_worker(mine: WorkerSettings, children: ChildSettings) -> None:
    """Run a worker with child processes until SIGTERM or SIGINT. Raises what Worker.run raises."""

    async def main() -> None:
        _collect_less()
        worker = Worker(mine, partial(spawn, children))
        _stop_on_signals(worker)
        await worker.run()

    loops.run(main())


def _collect_less() -> None:
    """Have the garbage collector leave alone what stays, and look at what comes and goes a little less
    often. This process runs no user's code, and what it makes for a job is freed by counting."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


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
