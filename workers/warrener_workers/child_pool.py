"""The pool: which job runs in which child, and what becomes of a job whose child ends."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, Protocol

from warrener.records import JobError

from .child_process import Child
from .children import STOPPED, Children, Spawn
from .deliveries import Run
from .frames import Frame, Kind
from .outcomes import REVOKED, Failed, Outcome, Succeeded
from .recycling import Recycling, resident
from .registry import Registry, parse
from .time_limits import TimeLimits, why

log = logging.getLogger(__name__)


class PoolEvents(Protocol):
    """Whom the pool tells what happens."""

    def ended(self, run: Run, outcome: Outcome) -> None:
        """A run came to this."""

    def lost(self, run: Run, reason: str, *, charged: bool) -> None:
        """A run's process died under it; `charged` if the run was alone in it."""

    def doubted(self, run: Run) -> None:
        """A run must not begin before the store has said that its claim still stands: then comes
        assured(), or else give_up()."""

    def progressed(self, run: Run, report: bytes) -> None:
        """A run reported how far it is."""

    def asked_to_send(self, child: Child, frame: Frame) -> None:
        """Code inside a task submits jobs."""


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
        recycling: Recycling | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._children = Children(
            spawn, processes, recycling or Recycling(), self._take, self._exited
        )
        self._events = events
        self._processes = processes
        self._slots = slots
        self._clock = clock
        self.limits = TimeLimits(self._children.retire)
        self._waiting: deque[Run] = deque()
        self._waiting_alone: deque[Run] = deque()
        self._in_doubt: deque[Run] = deque()
        self.is_sure: Callable[[Run], bool] = lambda _: True
        """False for runs that somebody else may have taken over."""
        self._change: asyncio.Future[None] | None = None
        self.broken = self._children.broken

    # Children ------------------------------------------------------------------------------------

    async def start(self) -> Registry:
        """Start the shared children; returns once the first is ready. Raises PoolBroken."""
        return await self._children.start()

    @property
    def memory(self) -> int:
        """Bytes that this process and its children hold, where that can be known."""
        pids = [os.getpid(), *(child.pid for child in self._children if child.pid)]
        return sum(map(resident, pids))

    def beat(self) -> None:
        """Let all children know that their parent lives."""
        self._children.beat()

    def _exited(self, child: Child, reason: str) -> None:
        if not self._children.left(child, reason):
            return
        stopping = self._children.stopping
        runs = list(child.running.values())
        child.running.clear()
        if runs and not stopping:
            log.warning("child %s ended under %d job(s): %s", child.pid, len(runs), reason)
        excused = child.blameless or any(run.sentence for run in runs)
        for run in runs:
            self.limits.forget(run)
            if sentence := run.sentence or (REVOKED if run.revoked else None):
                self._events.ended(run, sentence)
            elif not stopping:
                self._events.lost(run, reason, charged=len(runs) == 1 and not excused)
            elif not run.spec.max_losses:
                self._events.lost(run, STOPPED, charged=False)
        if not stopping:
            self._children.fill()
        self._assign()
        self._changed()

    # Work ----------------------------------------------------------------------------------------

    def dispatch(self, run: Run) -> None:
        """Run a job as soon as there is a place for it."""
        run.begun = False
        if run.alone or run.spec.isolate:
            self._waiting_alone.append(run)
        else:
            self._waiting.append(run)
        self._assign()

    def _assign(self) -> None:
        if self._children.stopping:
            return
        while self._waiting and (child := self._children.roomiest(self._slots)):
            self._begin(child, self._waiting.popleft())
        if self._waiting_alone or self._children.any_alone:
            self._assign_alone()

    def _assign_alone(self) -> None:
        lonely = [child for child in self._children if child.alone and not child.closing]
        idle = [child for child in lonely if child.ready and not child.running]
        while self._waiting_alone and idle and not self._must_wait(self._waiting_alone[0]):
            self._begin(idle.pop(), self._waiting_alone.popleft())
        on_their_way = self._children.alone_on_their_way
        starting = on_their_way + sum(not child.ready for child in lonely)
        allowed = self._lonely_allowed() - len(lonely) - on_their_way
        for _ in range(min(len(self._waiting_alone) - starting, allowed)):
            self._children.start_child(alone=True)
        for child in idle if not self._waiting_alone else ():
            self._children.close(child)

    def _must_wait(self, run: Run) -> bool:
        # Suspects run one at a time: if two together exhaust the memory, nothing is learnt.
        return run.alone and any(other.alone for other in self.running)

    def _lonely_allowed(self) -> int:
        suspects = any(run.alone for run in self._waiting_alone)
        return 1 if suspects else self._processes * self._slots

    def assured(self, run: Run) -> None:
        """The claim of a run that was in doubt stands."""
        if run in self._in_doubt:
            self._in_doubt.remove(run)
            self.dispatch(run)

    def _begin(self, child: Child, run: Run) -> None:
        if not self.is_sure(run):
            self._in_doubt.append(run)
            self._events.doubted(run)
            return
        run.started, run.begun = self._clock(), True
        self._children.begin(child, run)
        self.limits.begin(child, run)

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
                    self._children.became_ready(child)
        self._assign()
        self._changed()

    def _done(self, child: Child, frame: Frame) -> None:
        run = child.running.pop(frame.header["token"], None)
        if run is None:
            return
        self.limits.forget(run)
        self._events.ended(run, _outcome(frame))
        if child.alone and not child.closing:
            self._children.close(child)  # a process of its own is one that nothing else has run in
        elif child.closing and not child.running:
            child.link.say(Kind.STOP, {})
        elif child.closing and all(other.sentence for other in child.running.values()):
            child.kill(why(next(iter(child.running.values()))))

    def revoke(self, run: Run, *, terminate: bool) -> None:
        """End this run: one that no child has begun comes to REVOKED at once. A coroutine is cancelled, a
        plain function told; with `terminate` the process is killed."""
        for waiting in (self._waiting, self._waiting_alone, self._in_doubt):
            if run in waiting:
                waiting.remove(run)
                self._events.ended(run, REVOKED)
                return
        for child in self._children:
            if run.token in child.running:
                run.revoked = True
                child.link.say(Kind.CANCEL, {"token": run.token})
                if terminate and run.sentence is None and child.process is not None:
                    log.warning(
                        "job %s is revoked and terminated",
                        run.message.job_id,
                        extra=run.delivery.facts,
                    )
                    self.limits.condemn(child, run, REVOKED)

    def give_up(self, runs: Collection[Run]) -> None:
        """End these runs with their processes, and say nothing of them; others in them run again."""
        for waiting in (self._waiting, self._waiting_alone, self._in_doubt):
            for run in set(runs).intersection(waiting):
                waiting.remove(run)
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
        runs = [*self._waiting, *self._waiting_alone, *self._in_doubt]
        for waiting in (self._waiting, self._waiting_alone, self._in_doubt):
            waiting.clear()
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
        decided = [run for run in self.running if run.sentence or run.revoked]
        running = [run for run in self.running if run.spec.max_losses and run not in decided]
        cut_off = [*running, *self.unstarted()]
        await self._children.stop()
        return cut_off


def _outcome(frame: Frame) -> Outcome:
    failed: dict[str, Any] | None = frame.header.get("failed")
    if failed is None:
        return Succeeded(frame.body)
    return Failed(JobError(**failed.pop("error")), **failed)
