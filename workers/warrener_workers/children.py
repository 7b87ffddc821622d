"""The children of a worker as a staff: how many there are, which of them gets work, and who takes whose
place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from .child_process import APP_FAILED, Child, exit_in_words
from .deliveries import Run
from .frames import Frame, Kind
from .recycling import Recycling
from .registry import Registry

log = logging.getLogger(__name__)

STOPPED = "its worker stopped"

Spawn = Callable[..., Awaitable[Child]]


class PoolBroken(Exception):
    """Children end before they are ready to work."""


class AppBroken(PoolBroken):
    """They cannot import or start the app, as the first of them has said on standard error."""


class Children:
    """Keeps `shared` children at work, besides those that are for one job alone."""

    def __init__(
        self,
        spawn: Spawn,
        shared: int,
        recycling: Recycling,
        on_frames: Callable[[Child, list[Frame]], None],
        on_exit: Callable[[Child, str], None],
    ) -> None:
        self._spawn = spawn
        self._shared = shared
        self._recycling = recycling
        self._on_frames = on_frames
        self._on_exit = on_exit
        self._all: set[Child] = set()
        self._starts: dict[asyncio.Task[None], bool] = {}
        """Children on their way; True for one that is for a job alone."""
        self._failed_starts = 0
        self.stopping = False
        self.registry: asyncio.Future[Registry] = asyncio.get_running_loop().create_future()
        self.broken: asyncio.Future[PoolBroken] = asyncio.get_running_loop().create_future()

    def __iter__(self) -> Iterator[Child]:
        return iter(self._all)

    # Coming --------------------------------------------------------------------------------------

    async def start(self) -> Registry:
        """Start the shared children; returns once the first is ready. Raises PoolBroken."""
        self.fill()
        first: set[asyncio.Future[Any]] = {self.registry, self.broken}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if self.broken.done():
            raise self.broken.result()
        return self.registry.result()

    def fill(self) -> None:
        """Start what is missing: each place has a child that stays, or one on its way."""
        staying = sum(not child.leaving for child in self._all if not child.alone)
        on_their_way = len(self._starts) - self.alone_on_their_way
        for _ in range(self._shared - staying - on_their_way):
            self.start_child(alone=False)

    def start_child(self, *, alone: bool) -> None:
        """Start one, beyond what is there."""

        async def start() -> None:
            try:
                child = await self._spawn(
                    alone=alone, on_frames=self._on_frames, on_exit=self._on_exit
                )
            except OSError as error:
                self._break(f"it cannot be started: {error}")
                return
            finally:
                # With the next line, so that nobody counts it twice or not at all.
                del self._starts[task]
            self._all.add(child)
            if self.stopping:
                child.kill(STOPPED)

        task = asyncio.get_running_loop().create_task(start())
        self._starts[task] = alone

    @property
    def alone_on_their_way(self) -> int:
        """Those that are for a job alone and not there yet."""
        return sum(self._starts.values())

    def became_ready(self, child: Child) -> None:
        """It works from now on, and may relieve another."""
        child.ready = True
        self._failed_starts = 0
        if not self.registry.done() and child.registry is not None:
            self.registry.set_result(child.registry)
        due = [child for child in self._all if child.due and not child.closing]
        fresh = sum(self._works(child) and not child.due for child in self._all)
        for old in due[: max(0, len(due) + fresh - self._shared)]:
            self.close(old)

    # Working -------------------------------------------------------------------------------------

    def roomiest(self, slots: int) -> Child | None:
        """The shared child with most of its `slots` free, or None."""
        # For every job: a loop of its own takes a third of what min() over a list does.
        found, least = None, slots
        for child in self._all:
            if len(child.running) < least and self._works(child):
                found, least = child, len(child.running)
        return found

    @property
    def any_alone(self) -> bool:
        """True if any is for one job at a time."""
        return any(child.alone for child in self._all)

    @staticmethod
    def _works(child: Child) -> bool:
        return child.ready and not child.alone and not child.closing

    def beat(self) -> None:
        """Let all know that their parent lives, and see who has grown too large."""
        for child in list(self._all):
            child.beat()
            self._replace(child, self._recycling.large(child))

    def begin(self, child: Child, run: Run) -> None:
        """Have it run a job, which may be its last but those that come before its replacement."""
        child.start(run)
        self._replace(child, self._recycling.worn(child))

    def _replace(self, child: Child, why: str) -> None:
        """Start a child's replacement, if there is a reason; it works on until that one is ready."""
        if why and not (self.stopping or child.alone or child.leaving):
            log.info("child %s is replaced: %s", child.pid, why)
            child.due = True
            self.fill()

    # Leaving -------------------------------------------------------------------------------------

    def close(self, child: Child) -> None:
        """No new work for this child."""
        child.closing = True
        if not child.running:
            child.link.say(Kind.STOP, {})

    def retire(self, child: Child) -> None:
        """No new work for this child, even before its replacement is ready."""
        self.close(child)
        self.fill()

    def left(self, child: Child, reason: str) -> bool:
        """It has ended; False if that is the end of the worker as well."""
        self._all.discard(child)
        if not child.ready and not self.stopping:
            self._failed_starts += 1
            if not self.registry.done() or self._failed_starts >= 3:
                self._break(reason)
                return False
        return True

    def _break(self, reason: str) -> None:
        if not self.broken.done():
            why = f"a child process ended before it was ready to work: {reason}"
            said = reason == exit_in_words(APP_FAILED) and not self.registry.done()
            self.broken.set_result(AppBroken(why) if said else PoolBroken(why))

    async def stop(self) -> None:
        """End all, politely where idle; returns once they are gone."""
        self.stopping = True
        for child in self._all:
            if child.running:
                child.kill(STOPPED)
            else:
                child.link.say(Kind.STOP, {})
        await asyncio.gather(*self._starts, return_exceptions=True)
        try:
            async with asyncio.timeout(5):
                await self._all_gone()
        except TimeoutError:
            for child in self._all:
                child.kill(STOPPED)
            await self._all_gone()

    async def _all_gone(self) -> None:
        watchers = [child.watcher for child in self._all if child.watcher is not None]
        await asyncio.gather(*watchers)
