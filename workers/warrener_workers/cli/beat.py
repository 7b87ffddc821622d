"""`warrener beat`."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import typer

from warrener import Warrener
from warrener.client import Client
from warrener.loading import load_app
from warrener.operating import OperationRunner

from .. import logs, loops
from ..beat import Beat
from ..worker import EXIT_FORCED
from .options import AppPath, LogFormat, LogLevel


def beat(app: AppPath, log_level: LogLevel = "info", log_format: LogFormat = "text") -> None:
    """Submit what is scheduled, until stopped. Any number may run: one leads, the others wait to. Each
    carries out operations on dead letters, as the API does."""
    if log_format not in ("text", "json"):
        raise typer.BadParameter("text or json", param_hint="--log-format")
    logs.configure(log_level, log_format, f"beat-{os.getpid()}")
    loops.run(_run(load_app(app)))


async def _run(app: Warrener) -> None:
    async with app:
        client = app.backend()
        assert isinstance(client, Client)
        running = Beat(app, client, time.monotonic)
        loop, signals = asyncio.get_running_loop(), 0

        def on_signal() -> None:
            nonlocal signals
            signals += 1
            if signals > 1:
                os._exit(EXIT_FORCED)
            running.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        async with OperationRunner(lambda: client).working():
            await running.run()
