"""One child as its parent sees it: a process and a link to talk over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from .deliveries import Run
from .frames import Frame, FrameLink, Kind
from .registry import Registry

APP_FAILED = 70
"""What a child exits with that could not import or start the app, and has said why."""
LAST_WORDS = 1.0
"""Seconds to read what a child said before it ended."""


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What every child of a worker is started with."""

    app: str
    worker: str
    threads: int
    log_level: str = "info"
    log_format: str = "text"


@dataclass(eq=False)
class Child:
    """A child process, or in a solo worker the main thread."""

    alone: bool
    """True if it is for one job at a time."""
    link: FrameLink
    process: asyncio.subprocess.Process | None = None
    lifeline: socket.socket | None = None
    running: dict[str, Run] = field(default_factory=dict)
    ready: bool = False
    begun: int = 0
    """Jobs that it has been given."""
    due: bool = False
    """True once it is to be replaced; it works until its replacement is ready."""
    closing: bool = False
    """True once it gets no new work."""
    registry: Registry | None = None
    """What it said of the app's tasks."""
    killed: str = ""
    """Why we killed it; empty if we did not."""
    blameless: bool = False
    """True if it was killed for no fault of what is left in it."""
    watcher: asyncio.Task[None] | None = None
    end: Callable[[], None] | None = None
    """Ends it where it is no process."""

    @property
    def pid(self) -> int | None:
        """Its process id; None for the solo thread."""
        return self.process.pid if self.process else None

    @property
    def leaving(self) -> bool:
        """True if it will not stay: another has its place, or soon will."""
        return self.closing or self.due

    def beat(self) -> None:
        """Let it know that its parent lives."""
        if self.lifeline is not None:
            # A full or broken socket needs no answer: its end is seen elsewhere.
            with contextlib.suppress(OSError):
                self.lifeline.send(b".")

    def lost_link(self, reason: str) -> None:
        """Its link is gone. One that has talked nonsense is ended: nobody can hear any more what becomes
        of its jobs."""
        if self.link.broken:
            self.kill(reason)

    def kill(self, why: str = "") -> None:
        """End it and whatever it started, at once; `why` is said of it, unless it has ended already."""
        if self.process is not None:
            if self.process.returncode is None:
                self.killed = self.killed or why
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.end is not None:
            self.end()

    def start(self, run: Run) -> None:
        """Have it run a job."""
        self.running[run.token] = run
        self.begun += 1
        limit = run.spec.time_limit if self.process is not None else None
        job = {
            "id": run.message.job_id,
            "task": run.message.task,
            "queue": run.delivery.queue,
            "attempt": run.message.attempt,
            "generation": run.message.generation,
            "created": run.message.created,
            "due": run.message.due,
            "deadline": run.started + limit if limit else None,
        }
        if extra := run.message.extra:
            job["headers"] = {name: one for name, one in extra.items() if isinstance(one, str)}
        self.link.say(
            Kind.RUN,
            {"token": run.token, "job": job},
            run.message.body if run.body is None else run.body,
        )


async def spawn(
    settings: ChildSettings,
    *,
    alone: bool,
    on_frames: Callable[[Child, list[Frame]], None],
    on_exit: Callable[[Child, str], None],
) -> Child:
    """Start a child process. `on_exit` is told once, with the reason in words, when it has ended."""
    ours, theirs = socket.socketpair()
    lifeline, their_lifeline = socket.socketpair()
    lifeline.setblocking(False)
    with theirs, their_lifeline:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_arguments(settings, theirs, their_lifeline, 1 if alone else settings.threads),
            pass_fds=(theirs.fileno(), their_lifeline.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            # A session of its own, and so a process group: Ctrl-C in a terminal does not reach it, and
            # what it starts can be killed with it.
            start_new_session=True,
        )
    loop = asyncio.get_running_loop()
    silent = asyncio.Event()

    def lost(reason: str) -> None:
        silent.set()
        child.lost_link(reason)

    _, link = await loop.create_connection(
        lambda: FrameLink(lambda frames: on_frames(child, frames), lost),
        sock=ours,
    )
    child = Child(alone, link, process, lifeline)
    child.watcher = loop.create_task(_watch(child, process, silent, on_exit))
    return child


def _arguments(
    settings: ChildSettings, sock: socket.socket, lifeline: socket.socket, threads: int
) -> list[str]:
    values = {
        "fd": sock.fileno(),
        "lifeline": lifeline.fileno(),
        "threads": threads,
        "parent": os.getpid(),
        "app": settings.app,
        "worker": settings.worker,
        "log-level": settings.log_level,
        "log-format": settings.log_format,
    }
    return [
        "-m",
        "warrener_workers.child",
        *(f"--{name}={value}" for name, value in values.items()),
    ]


async def _watch(
    child: Child,
    process: asyncio.subprocess.Process,
    silent: asyncio.Event,
    on_exit: Callable[[Child, str], None],
) -> None:
    code = await process.wait()
    # What it started may have outlived it.
    child.kill()
    # Its last words may still be on their way: a result that was said counts.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await silent.wait()
    child.link.close()
    if child.lifeline is not None:
        child.lifeline.close()
    on_exit(child, child.killed or exit_in_words(code))


def exit_in_words(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
