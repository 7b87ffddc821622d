"""A worker in one process: user code in the main thread, where breakpoint() has the terminal, and
RabbitMQ in another, so that a halted task costs no heartbeat."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from warrener import Job, Warrener, WarrenerError
from warrener.declared import CatalogueEntry
from warrener.records import JobStatus
from warrener.store import Call
from warrener.submissions import Submission
from warrener.transitions import Reply, Transition

from . import loops
from .child import Child
from .child_backend import ChildBackend
from .child_process import Child as ChildOfParent
from .child_process import ChildSettings
from .children import PoolBroken
from .frames import FrameLink
from .main_thread import MainThread
from .outcomes import Outcome
from .running import Runtime, load_for_work, run_job
from .worker import EXIT_FORCED, Worker
from .worker_settings import WorkerSettings

T = TypeVar("T")
log = logging.getLogger(__name__)


def run_solo(mine: WorkerSettings, children: ChildSettings) -> None:
    """Run a worker whose tasks run in the main thread, one at a time and without time limits. Raises
    PoolBroken when the app or its lifespan fails, and what Worker.run raises."""
    try:
        app = load_for_work(children.app)
    except WarrenerError as error:
        raise PoolBroken(str(error)) from error
    other = _WorkerThread(mine, app)
    main = MainThread()
    other.hear_signals()
    main.run(_user_side(app, main, other))


async def _user_side(app: Warrener, main: MainThread, other: _WorkerThread) -> None:
    async with AsyncExitStack() as stack:
        resources = None
        if app.lifespan is not None:
            try:
                resources = await stack.enter_async_context(app.lifespan())
            except Exception as error:
                traceback.print_exc()
                raise PoolBroken(f"the app's lifespan failed: {error!r}") from error
        runtime = Runtime(app, resources, main, soft_limits=False)
        await asyncio.wrap_future(other.start(runtime, main.loop))


class _WorkerThread:
    """Both sides of a worker but the user's code: parent and child, with a link between them."""

    def __init__(self, mine: WorkerSettings, app: Warrener) -> None:
        self._mine = mine
        self._app = app
        self._ended: Future[None] = Future()
        self._worker: Worker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signals = 0
        self._runtime: Runtime
        self._main: asyncio.AbstractEventLoop

    def start(self, runtime: Runtime, main: asyncio.AbstractEventLoop) -> Future[None]:
        """Work, with user code on `main`; the future is done when the worker has ended."""
        self._runtime, self._main = runtime, main
        threading.Thread(target=self._run, name="warrener-worker", daemon=True).start()
        return self._ended

    def _run(self) -> None:
        try:
            loops.run(self._work(), fast=False)
        except BaseException as error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        parents, childs = socket.socketpair()
        child = Child(self._app)
        try:
            await child.connect(childs)
        except WarrenerError as error:
            raise PoolBroken(str(error)) from error
        serving = asyncio.create_task(self._serve(child))

        async def adopt(*, alone: bool, on_frames: Any, on_exit: Any) -> ChildOfParent:
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: FrameLink(
                    lambda frames: on_frames(adopted, frames),
                    lambda reason: on_exit(adopted, reason),
                ),
                sock=parents,
            )
            adopted = ChildOfParent(alone=False, link=link, end=_end_with_its_job)
            return adopted

        self._worker = Worker(self._mine, adopt)
        await self._worker.run()
        await serving

    async def _serve(self, child: Child) -> None:
        assert self._loop is not None
        inner, loop = child.backend, self._loop
        self._app.use_backend(lambda: _BackendThere(inner, loop))
        try:
            await child.work(self._runtime.resources, self._run_job)
            await child.close()
        finally:
            self._app.use_backend(None)
            self._app.portal.release()

    async def _run_job(self, job: Job[Any], body: bytes) -> Outcome:
        outcome = await _there(run_job(self._runtime, job, body), self._main)
        self._main.call_soon_threadsafe(self.hear_signals)
        return outcome

    def hear_signals(self) -> None:
        """Take SIGINT and SIGTERM, again after each job: a debugger that went on keeps SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        """Stop the worker; a second signal ends the process, as a debugger's prompt may hold it."""
        self._signals += 1
        if self._signals > 1 or self._loop is None or self._worker is None:
            os._exit(EXIT_FORCED)
        self._loop.call_soon_threadsafe(self._worker.stop)


def _end_with_its_job() -> None:
    """A job that outlasts the grace cannot be ended without the process; what it held is delivered
    again only then, so that it never runs twice at once."""
    log.warning("a job still runs: ending the process; RabbitMQ delivers the job again")
    os._exit(EXIT_FORCED)


class _BackendThere:
    """A Backend that lives on another thread's loop."""

    def __init__(self, inner: ChildBackend, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """See Backend.submit."""
        return await _there(self._inner.submit(submissions), self._loop)

    async def find_task(self, task: str) -> CatalogueEntry | None:
        """See Backend.find_task."""
        return await _there(self._inner.find_task(task), self._loop)

    async def status(self, job_id: str) -> JobStatus | None:
        """See Backend.status."""
        return await _there(self._inner.status(job_id), self._loop)

    async def revoke(self, job_id: str, reason: str, *, terminate: bool) -> bool:
        """See Backend.revoke."""
        return await _there(self._inner.revoke(job_id, reason, terminate=terminate), self._loop)

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        """See Backend.wait."""
        return await _there(self._inner.wait(job_id, timeout), self._loop)

    async def call(self, calls: Sequence[Call]) -> list[Reply]:
        """See Store.call."""
        return await _there(self._inner.call(calls), self._loop)

    async def apply(self, moves: Sequence[Transition]) -> list[Reply]:
        """See Store.apply."""
        return await _there(self._inner.apply(moves), self._loop)

    async def look_for_revoked(self, job_ids: Sequence[str]) -> None:
        """See ChildBackend.look_for_revoked."""

    async def until(
        self, look: Callable[[], Awaitable[T | None]], name: str, timeout: float | None
    ) -> T | None:
        """See ChildBackend.until."""
        return await self._inner.until(look, name, timeout)

    async def close(self) -> None:
        """Nothing: the worker's thread closes what is its own."""


async def _there(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Await something on another thread's loop, or on this one."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
