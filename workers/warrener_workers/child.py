"""The child process: imports the user's app and runs its jobs. It speaks to its parent alone.

Started by exec, with one end of a socketpair for frames and one for the lifeline.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import orjson

from warrener import Job, Warrener, WarrenerError
from warrener.imports import users_traceback
from warrener.job import Revocation

from . import logs, loops, registry
from .child_backend import ChildBackend
from .child_process import APP_FAILED
from .frames import Frame, FrameLink, Kind
from .outcomes import Outcome, Succeeded
from .running import Runtime, load_for_work, run_job

log = logging.getLogger(__name__)

PARENT_GONE = 71
PATIENCE = 0.5
"""Of a presence's lifetime, how long a child waits for a sign of its parent. A parent that stops may have
renewed its presence a whole beat before, so that two of three beats are left until its jobs are anyone's;
half a beat of them is for a renewal that was late."""

_PR_SET_PDEATHSIG = 1

RunJob = Callable[[Job[Any], bytes], Awaitable[Outcome]]


class Child:
    """Runs jobs for a parent until it says stop or is gone."""

    backend: ChildBackend
    """How code inside a task sends; there once connected."""

    def __init__(self, app: Warrener) -> None:
        self._app = app
        self._jobs: set[asyncio.Task[None]] = set()
        self._revocations: dict[str, Revocation] = {}
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._link: FrameLink
        self._resources: Any
        self._run_job: RunJob

    async def connect(self, sock: socket.socket) -> None:
        """Tell the parent of the app's tasks, and have the app send through it. Raises
        TaskSignatureError, AppImportError."""
        loop = asyncio.get_running_loop()
        described = registry.describe(self._app)
        _, self._link = await loop.create_connection(
            lambda: FrameLink(self._take, self._parent_gone), sock=sock
        )
        self.backend = ChildBackend(self._app.settings, self._link)
        self._app.use_backend(lambda: self.backend)
        self._app.portal.adopt(loop)
        self._link.say(Kind.REGISTRY, {}, described)

    async def work(self, resources: Any, run: RunJob) -> None:
        """Have `run` run what the parent sends, until it says stop."""
        self._resources, self._run_job = resources, run
        self._link.say(Kind.READY, {})
        await self._end

    async def close(self) -> None:
        """Let go of the parent, and of the store."""
        await self.backend.close()
        self._link.close()

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            match frame.kind:
                case Kind.RUN:
                    task = asyncio.get_running_loop().create_task(self._run(frame))
                    self._jobs.add(task)
                    task.add_done_callback(self._jobs.discard)
                case Kind.SENT:
                    self.backend.answered(frame)
                case Kind.CANCEL:
                    if revocation := self._revocations.get(frame.header["token"]):
                        revocation.ask()
                case Kind.STOP if not self._end.done():
                    self._end.set_result(None)

    def _parent_gone(self, reason: str) -> None:
        if not self._end.done():
            log.warning("the worker's parent process is gone: %s", reason)
            os._exit(PARENT_GONE)

    async def _run(self, frame: Frame) -> None:
        token: str = frame.header["token"]

        def show(report: dict[str, Any]) -> None:
            say = partial(
                self._link.say, Kind.PROGRESS, {"token": token}, orjson.dumps(report, default=str)
            )
            if threading.get_ident() == here:
                say()  # at once: queued, it would come after the end of a run that never waits
            else:
                loop.call_soon_threadsafe(say)

        loop, here = asyncio.get_running_loop(), threading.get_ident()
        revocation = self._revocations[token] = Revocation()
        facts = frame.header["job"]
        job: Job[Any] = Job(resources=self._resources, show=show, revocation=revocation, **facts)
        try:
            outcome = await self._run_job(job, frame.body)
        finally:
            del self._revocations[token]
        self._link.say(Kind.DONE, *_packed(token, outcome))


def _packed(token: str, outcome: Outcome) -> tuple[dict[str, Any], bytes]:
    if isinstance(outcome, Succeeded):
        return {"token": token}, outcome.result
    return {"token": token, "failed": outcome}, b""


def guard(lifeline: socket.socket, patience: float) -> None:
    """End this process when its parent has ended, or has said nothing for `patience` seconds: what a
    stopped parent claimed may be running elsewhere soon. A thread, so that a task which blocks the
    loop does not look like a silent parent."""

    def watch() -> None:
        lifeline.settimeout(patience)
        try:
            while lifeline.recv(64):
                pass
            reason = "ended"
        except TimeoutError:
            reason = f"has been silent for {patience:g} s"
        except OSError as error:
            reason = f"cannot be heard: {error}"
        sys.stderr.write(f"warrener child {os.getpid()}: its parent {reason}, ending\n")
        os._exit(PARENT_GONE)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however busy it is then (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(PARENT_GONE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("fd", "lifeline", "threads", "parent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("app", "worker", "log-level", "log-format"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def main() -> None:
    """Entry point of `python -m warrener_workers.child`; its parent gives the arguments."""
    arguments = _arguments()
    _die_with(arguments.parent)
    # The parent decides when to stop: Ctrl-C in a terminal reaches this process as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    logs.configure(arguments.log_level, arguments.log_format, arguments.worker)
    sock, lifeline = socket.socket(fileno=arguments.fd), socket.socket(fileno=arguments.lifeline)
    try:
        app = load_for_work(arguments.app)
    except WarrenerError as error:
        sys.stderr.write(f"warrener: {error}\n")
        os._exit(APP_FAILED)
    except BaseException:
        traceback.print_exc()
        os._exit(APP_FAILED)
    guard(lifeline, PATIENCE * app.settings.presence_lifetime)
    os._exit(loops.run(_serve(app, sock, arguments.threads)))


async def _serve(app: Warrener, sock: socket.socket, threads: int) -> int:
    child = Child(app)
    try:
        await child.connect(sock)
    except WarrenerError as error:
        sys.stderr.write(f"{users_traceback(error)}warrener: {error}\n")
        return APP_FAILED
    try:
        async with AsyncExitStack() as stack:
            resources = None
            if app.lifespan is not None:
                resources = await stack.enter_async_context(app.lifespan())
            executor = ThreadPoolExecutor(threads, thread_name_prefix="job")
            await child.work(resources, partial(run_job, Runtime(app, resources, executor)))
        await child.close()
    except BaseException:
        traceback.print_exc()
        return APP_FAILED
    return 0


if __name__ == "__main__":
    main()
