"""Calling asynchronous code from code without an event loop (Django, Flask, scripts)."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import select
import selectors
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import SyncCallOnLoop

T = TypeVar("T")
log = logging.getLogger(__name__)


CLOSING = 5.0
"""Seconds that closing the connections may take when the interpreter exits."""


async def _nothing() -> None: ...


_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def _leave_the_parents_loops_alone() -> None:
    """After a fork, parent and child share what epoll watches. Closing what it has inherited, as Python
    does when it exits, the child would make the parent deaf on its own connections."""
    for loop in _loops:
        selector = getattr(loop, "_selector", None)
        if sys.platform == "linux" and isinstance(selector, selectors.EpollSelector):
            with select.epoll() as nothing:
                os.dup2(nothing.fileno(), selector.fileno(), inheritable=False)
    _loops.clear()


_starting = threading.Lock()
"""Held while a portal starts its loop: one for all, since the first use may come from many threads."""


def _after_fork() -> None:
    # It may have been held at the moment of the fork; nobody is left to release it.
    global _starting  # noqa: PLW0603 — the one place that replaces it
    _starting = threading.Lock()
    _leave_the_parents_loops_alone()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


class Portal:
    """One background loop per process, started when first needed, and ended when the interpreter exits,
    after `close` has run on it. Safe after fork: a child process starts its own, since threads do not
    survive a fork."""

    def __init__(self, close: Callable[[], Coroutine[Any, Any, None]] = _nothing) -> None:
        self._close = close
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use this loop, which runs in another thread already, instead of one of our own."""
        self._loop, self._thread, self._pid = loop, None, os.getpid()

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
                self._loop, self._thread, self._pid = None, None, os.getpid()
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="warrener-sync", daemon=True
                )
                self._thread.start()
                _loops.add(self._loop)
                # Once, however often the loop is started.
                atexit.unregister(self._end)
                atexit.register(self._end)
            return self._loop

    def _end(self) -> None:
        """Close the connections and end the thread: RabbitMQ would log each as lost otherwise."""
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        # After a fork, both are the parent's and not here.
        if loop is None or thread is None or self._pid != os.getpid() or loop.is_closed():
            return
        closing = asyncio.run_coroutine_threadsafe(self._close(), loop)
        try:
            closing.result(CLOSING)
        except Exception as error:  # the program ends all the same
            log.debug("closing the connections of %s: %r", thread.name, error)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSING)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_cancel_the_rest())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _cancel_the_rest() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
