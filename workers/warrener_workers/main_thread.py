"""Running both coroutines and plain functions in the main thread, for a solo worker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class MainThread(Executor):
    """An event loop, and an executor whose functions run in the loop's own thread: the loop stops for
    each. So plain functions find no running loop, as in any thread, and may call asyncio.run()."""

    def __init__(self) -> None:
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._runner = asyncio.Runner()
        self.loop = self._runner.get_loop()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and meanwhile what is submitted. Call it in the main thread."""
        with self._runner:
            task = self.loop.create_task(main)
            task.add_done_callback(lambda _: self.loop.stop())
            while not task.done():
                self.loop.run_forever()
                while self._calls:
                    self._make(*self._calls.popleft())
            return task.result()

    def _make(self, future: Future[Any], call: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a function called as soon as the loop has stopped for it. Call it on the loop."""
        future: Future[T] = Future()
        self._calls.append((future, lambda: fn(*args, **kwargs)))
        self.loop.stop()
        return future
