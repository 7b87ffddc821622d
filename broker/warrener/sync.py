"""Calling asynchronous code from code without an event loop (Django, Flask, scripts)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import SyncCallOnLoop

T = TypeVar("T")


_starting = threading.Lock()
"""Held while a portal starts its loop: one for all, since the first use may come from many threads."""


def _after_fork() -> None:
    # It may have been held at the moment of the fork; nobody is left to release it.
    global _starting  # noqa: PLW0603 — the one place that replaces it
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


class Portal:
    """One background loop per process, started when first needed. Safe after fork: a child process
    starts its own, since threads do not survive a fork."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use this loop, which runs in another thread already, instead of one of our own."""
        self._loop, self._pid = loop, os.getpid()

    def release(self) -> None:
        """Forget an adopted loop; the next call starts one of our own."""
        self._loop = None

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], name: str) -> T:
        """Run the coroutine that `call` makes and return its result. Raises SyncCallOnLoop where an
        event loop runs, which this would block."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(call(), self._running_loop()).result()
        raise SyncCallOnLoop(call=name)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with _starting:
            if self._pid != os.getpid():
                self._loop, self._pid = None, os.getpid()
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="warrener-sync", daemon=True
                ).start()
            return self._loop
