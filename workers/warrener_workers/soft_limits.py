"""Soft time limits: SoftTimeLimitExceeded is raised inside what is too slow, which may catch it."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
import types
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any

from warrener import SoftTimeLimitExceeded


async def softly_limited(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Any:
    running = asyncio.current_task()
    assert running is not None
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        running.cancel()

    def reason() -> BaseException | None:
        nonlocal expired
        if not expired:
            return None
        expired = False
        running.uncancel()
        return SoftTimeLimitExceeded(seconds=seconds)

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await _driven(coroutine, reason)
    finally:
        timer.cancel()


@types.coroutine
def _driven(
    coroutine: Coroutine[Any, Any, Any], reason: Callable[[], BaseException | None]
) -> Generator[Any, Any, Any]:
    """Await the coroutine, but raise `reason()` inside it in place of a cancellation that has one: so
    a coroutine sees the same exception as a plain function, at its own await."""
    throw: BaseException | None = None
    while True:
        try:
            waits_for = coroutine.send(None) if throw is None else coroutine.throw(throw)
        except StopIteration as stop:
            return stop.value
        throw = None
        try:
            yield waits_for
        except asyncio.CancelledError as error:
            throw = reason() or error
        except BaseException as error:
            throw = error


async def in_thread(threads: Executor, function: Callable[[], Any], seconds: float | None) -> Any:
    loop = asyncio.get_running_loop()
    limited = LimitedCall(function, seconds)
    context = contextvars.copy_context()
    timer = loop.call_later(seconds, limited.interrupt) if seconds is not None else None
    try:
        result, error = await loop.run_in_executor(threads, context.run, limited)
    finally:
        if timer is not None:
            timer.cancel()
    if error is not None:
        raise error
    return result


class LimitedCall:
    """A plain function's call that another thread can interrupt between two of its bytecodes (see
    PyThreadState_SetAsyncExc in Python's C API). Answers what it returned and what it raised, since a
    future cannot carry every exception (StopIteration).

    A limit that strikes when the function has returned changes nothing. One that strikes in its last
    call, such as time.sleep, comes when that call is over, and so still inside the function.
    """

    def __init__(self, function: Callable[[], Any], seconds: float | None) -> None:
        # Raised into a thread, an exception can only be given as a class.
        class Expired(SoftTimeLimitExceeded):
            def __init__(self) -> None:
                super().__init__(seconds=seconds)

        self.function = function
        self._seconds = seconds
        self.expired = Expired
        self._lock = threading.Lock()
        self._thread: int | None = None

    def __call__(self) -> tuple[Any, BaseException | None]:
        # Asked for its only entry, it calls the function and keeps the result in one step of C: between
        # two steps of Python, the limit could strike and the result be lost.
        returned: defaultdict[None, Any] = defaultdict(self.function)
        raised: BaseException | None = None
        try:
            try:
                self._begin()
                returned[None]
            finally:
                self._end()
        except BaseException as error:
            raised = error
        # Nothing strikes any more: either _end has seen to it, or what struck in it was the only one.
        if returned:
            return returned[None], None
        if isinstance(raised, self.expired):
            limit = SoftTimeLimitExceeded(seconds=self._seconds)
            return None, limit.with_traceback(raised.__traceback__)
        return None, raised

    def _begin(self) -> None:
        with self._lock:
            self._thread = threading.get_ident()

    def _end(self) -> None:
        with self._lock:
            self._thread = None

    def interrupt(self) -> None:
        """Raise the limit inside the function, if it still runs. At most once."""
        with self._lock:
            if self._thread is not None:
                thread, kind = ctypes.c_ulong(self._thread), ctypes.py_object(self.expired)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, kind)
