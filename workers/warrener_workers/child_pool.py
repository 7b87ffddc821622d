"""The children of a worker: who runs what, who is killed, who takes a dead one's place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from warrener.records import JobError

from .child_process import Child
from .deliveries import Run
from .frames import Frame, Kind
from .outcomes import Failed, Outcome, Succeeded, TimedOut
from .registry import Registry, parse
from .time_limits import TimeLimits, why

log = logging.getLogger(__name__)


STOPPED = "its worker stopped"


class PoolBroken(Exception):
    """Children end before they are ready to work."""


class PoolEvents(Protocol):
    """Whom the pool tells what happens."""

    def ended(self, run: Run, outcome: Outcome) -> None:
        """A run came to this."""

    def lost(self, run: Run, reason: str, *, charged: bool) -> None:
        """A run's process died under it; `charged` if the run was alone in it."""

    def progressed(self, run: Run, report: bytes) -> None:
        """A run reported how far it is."""

    def asked_to_send(self, child: Child, frame: Frame) -> None:
        """Code inside a task submits jobs."""


Spawn = Callable[..., Awaitable[Child]]


class ChildPool:
    """`processes` shared children with `slots` jobs each, and children for one job at a time where a
    job must be alone."""

    def __init__(
        self,
        spawn: Spawn,
        events: PoolEvents,
        *,
        processes: int,
        slots: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spawn = spawn
        self._events = events
        self._processes = processes
        self._slots = slots
        self._clock = clock
        self.limits = TimeLimits(self._retire)
        self._children: set[Child] = set()
        self._waiting: deque[Run] = deque()
        self._waiting_alone: deque[Run] = deque()
        self._starts: dict[asyncio.Task[None], bool] = {}
        """Children on their way; True for one that is for a job alone."""
        self._failed_starts = 0
        self._stopping = False
        self._change: asyncio.Future[None] | None = None
        self.registry: asyncio.Future[Registry] = asyncio.get_running_loop().create_future()
        self.broken: asyncio.Future[PoolBroken] = asyncio.get_running_loop().create_future()

    # Children ------------------------------------------------------------------------------------

    async def start(self) -> Registry:
        """Start the shared children; returns once the first is ready. Raises PoolBroken."""
        for _ in range(self._processes):
            self._start_child(alone=False)
        first: set[asyncio.Future[Any]] = {self.registry, self.broken}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if self.broken.done():
            raise self.broken.result()
        return self.registry.result()

    def _start_child(self, *, alone: bool) -> None:
        async def start() -> None:
            try:
                child = await self._spawn(alone=alone, on_frames=self._take, on_exit=self._exited)
            except OSError as error:
                self._break(f"it cannot be started: {error}")
                return
            self._children.add(child)
            if self._stopping:
                child.kill(STOPPED)

        task = asyncio.get_running_loop().create_task(start())
        self._starts[task] = alone
        task.add_done_callback(self._starts.pop)

    def beat(self) -> None:
        """Let all children know that their parent lives."""
        for child in self._children:
            child.beat()

    def _exited(self, child: Child, reason: str) -> None:
        self._children.discard(child)
        if not child.ready and not self._stopping:
            self._failed_starts += 1
            if not self.registry.done() or self._failed_starts >= 3:
                self._break(reason)
                return
        runs = list(child.running.values())
        child.running.clear()
        if runs and not self._stopping:
            log.warning("child %s ended under %d job(s): %s", child.pid, len(runs), reason)
        excused = child.blameless or any(run.timed_out for run in runs)
        for run in runs:
            self.limits.forget(run)
            if run.timed_out:
                self._events.ended(run, TimedOut(run.spec.time_limit or 0.0))
            elif not self._stopping:
                self._events.lost(run, reason, charged=len(runs) == 1 and not excused)
            elif not run.spec.max_losses:
                self._events.lost(run, STOPPED, charged=False)
        if not child.alone and not child.closing and not self._stopping:
            self._start_child(alone=False)
        self._assign()
        self._changed()

    def _break(self, reason: str) -> None:
        if not self.broken.done():
            why = f"a child process ended before it was ready to work: {reason}"
            self.broken.set_result(PoolBroken(why))

    # Work ----------------------------------------------------------------------------------------

    def dispatch(self, run: Run) -> None:
        """Run a job as soon as there is a place for it."""
        if run.alone or run.spec.isolate:
            self._waiting_alone.append(run)
        else:
            self._waiting.append(run)
        self._assign()

    def _assign(self) -> None:
        if self._stopping:
            return
        while self._waiting and (child := self._roomiest()):
            self._begin(child, self._waiting.popleft())
        lonely = [child for child in self._children if child.alone and not child.closing]
        idle = [child for child in lonely if child.ready and not child.running]
        while self._waiting_alone and idle and not self._must_wait(self._waiting_alone[0]):
            self._begin(idle.pop(), self._waiting_alone.popleft())
        on_their_way = sum(self._starts.values())
        starting = on_their_way + sum(not child.ready for child in lonely)
        allowed = self._lonely_allowed() - len(lonely) - on_their_way
        for _ in range(min(len(self._waiting_alone) - starting, allowed)):
            self._start_child(alone=True)
        for child in idle if not self._waiting_alone else ():
            self._retire(child)

    def _must_wait(self, run: Run) -> bool:
        # Suspects run one at a time: if two together exhaust the memory, nothing is learnt.
        return run.alone and any(other.alone for other in self.running)

    def _lonely_allowed(self) -> int:
        suspects = any(run.alone for run in self._waiting_alone)
        return 1 if suspects else self._processes * self._slots

    def _roomiest(self) -> Child | None:
        free = [
            child
            for child in self._children
            if child.ready
            and not child.alone
            and not child.closing
            and len(child.running) < self._slots
        ]
        return min(free, key=lambda child: len(child.running), default=None)

    def _begin(self, child: Child, run: Run) -> None:
        run.started = self._clock()
        child.start(run)
        self.limits.begin(child, run)

    def _retire(self, child: Child) -> None:
        """No new work for this child; a shared one's replacement starts now."""
        child.closing = True
        if not child.alone:
            self._start_child(alone=False)
        if not child.running:
            child.link.say(Kind.STOP, {})

    # What children say ---------------------------------------------------------------------------

    def _take(self, child: Child, frames: list[Frame]) -> None:
        for frame in frames:
            match frame.kind:
                case Kind.DONE:
                    self._done(child, frame)
                case Kind.SEND:
                    self._events.asked_to_send(child, frame)
                case Kind.PROGRESS:
                    run = child.running.get(frame.header["token"])
                    if run is not None:
                        self._events.progressed(run, frame.body)
                case Kind.REGISTRY:
                    child.registry = parse(frame.body)
                case Kind.READY:
                    self._became_ready(child)
        self._assign()
        self._changed()

    def _became_ready(self, child: Child) -> None:
        child.ready = True
        self._failed_starts = 0
        if not self.registry.done() and child.registry is not None:
            self.registry.set_result(child.registry)

    def _done(self, child: Child, frame: Frame) -> None:
        run = child.running.pop(frame.header["token"], None)
        if run is None:
            return
        self.limits.forget(run)
        self._events.ended(run, _outcome(frame))
        if child.alone and not child.closing:
            self._retire(child)  # a process of its own is one that nothing else has run in
        elif child.closing and not child.running:
            child.link.say(Kind.STOP, {})
        elif child.closing and all(other.timed_out for other in child.running.values()):
            child.kill(why(next(iter(child.running.values()))))

    def give_up(self, runs: Collection[Run]) -> None:
        """End these runs with their processes, and say nothing of them; others in them run again."""
        self._waiting = deque(run for run in self._waiting if run not in runs)
        self._waiting_alone = deque(run for run in self._waiting_alone if run not in runs)
        for child in self._children:
            mine = [run for run in child.running.values() if run in runs]
            for run in mine:
                del child.running[run.token]
                self.limits.forget(run)
            if mine:
                child.blameless = True
                child.kill("killed with what it ran, which may run elsewhere")

    # The end -------------------------------------------------------------------------------------

    def unstarted(self) -> list[Run]:
        """Take back the runs that no child has begun."""
        runs = [*self._waiting, *self._waiting_alone]
        self._waiting.clear()
        self._waiting_alone.clear()
        return runs

    async def until_idle(self) -> None:
        """Return once nothing runs."""
        while self.running:
            self._change = asyncio.get_running_loop().create_future()
            await self._change

    def _changed(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    @property
    def running(self) -> list[Run]:
        """What runs now."""
        return [run for child in self._children for run in child.running.values()]

    async def stop(self) -> list[Run]:
        """End all children, politely where idle; answers the runs to hand back: what nobody has begun,
        and what is cut off unless that decides its end."""
        running = [run for run in self.running if run.spec.max_losses and not run.timed_out]
        cut_off, self._stopping = [*running, *self.unstarted()], True
        for child in self._children:
            if child.running:
                child.kill(STOPPED)
            else:
                child.link.say(Kind.STOP, {})
        await asyncio.gather(*self._starts, return_exceptions=True)
        try:
            async with asyncio.timeout(5):
                await self._all_gone()
        except TimeoutError:
            for child in self._children:
                child.kill(STOPPED)
            await self._all_gone()
        return cut_off

    async def _all_gone(self) -> None:
        watchers = [child.watcher for child in self._children if child.watcher is not None]
        await asyncio.gather(*watchers)


def _outcome(frame: Frame) -> Outcome:
    failed: dict[str, Any] | None = frame.header.get("failed")
    if failed is None:
        return Succeeded(frame.body)
    return Failed(JobError(**failed.pop("error")), **failed)
