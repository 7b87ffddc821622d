"""Waiting for jobs to end: one subscription connection, however many jobs are waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from .errors import StoreUnavailable
from .records import JobStatus
from .store import Store

log = logging.getLogger(__name__)


class _Wait:
    """The waiters for one job: told when the subscription stands, and when the job has ended."""

    def __init__(self) -> None:
        self.asked = False
        self.subscribed = asyncio.Event()
        self.ended = asyncio.Event()
        self.count = 0


class Waiter:
    """Waits for jobs to end. Announcements wake it; the record decides, so that a lost announcement
    costs at most `recheck` seconds."""

    def __init__(self, store: Store, recheck: float = 5.0) -> None:
        self._store = store
        self._recheck = recheck
        self._waits: dict[str, _Wait] = {}
        self._pubsub: Any = None
        self._listening: asyncio.Task[None] | None = None
        self._subscribing = asyncio.Lock()

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        """The job's record as soon as it has ended, or as it stands after `timeout` seconds (None:
        no limit); None for a job that is not known. Raises StoreUnavailable."""
        status = await self._store.status(job_id)
        if status is None or status.is_settled:
            return status
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout if timeout is not None else float("inf")
        channel = self._store.keys.ended(job_id)
        wait = self._waits.setdefault(channel, _Wait())
        wait.count += 1
        try:
            await self._subscribe(channel, wait)
            while True:
                status = await self._store.status(job_id)
                left = deadline - loop.time()
                if status is None or status.is_settled or left <= 0:
                    return status
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, self._recheck)):
                        await wait.ended.wait()
        finally:
            await self._leave(channel, wait)

    async def _subscribe(self, channel: str, wait: _Wait) -> None:
        # One at a time: redis-py would open a connection for each of several first subscribers, and
        # listen on the last of them alone. The next one asks where one has failed or was cancelled.
        async with self._subscribing, self._store.reachable():
            if not wait.asked:
                if self._pubsub is None:
                    self._pubsub = self._store.client.pubsub()
                await self._pubsub.subscribe(channel)
                wait.asked = True
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen(), name="waiter")
        # The record is read after the subscription stands, or an end in between would be missed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._recheck):
                await wait.subscribed.wait()

    async def _leave(self, channel: str, wait: _Wait) -> None:
        wait.count -= 1
        if wait.count == 0:
            del self._waits[channel]
            with contextlib.suppress(StoreUnavailable):
                async with self._subscribing, self._store.reachable():
                    if self._pubsub is not None and channel not in self._waits:
                        await self._pubsub.unsubscribe(channel)

    async def _listen(self) -> None:
        try:
            async with self._store.heard():
                async for event in self._pubsub.listen():
                    wait = self._waits.get(event["channel"].decode())
                    if wait is not None and event["type"] == "subscribe":
                        wait.subscribed.set()
                    elif wait is not None and event["type"] == "message":
                        wait.ended.set()
        except StoreUnavailable as error:
            # Waiters read the record again within `recheck`, and the next one subscribes anew.
            log.warning("waiting without announcements: %s", error)
            self._pubsub = None
            for wait in self._waits.values():
                wait.asked = False
                wait.subscribed.clear()

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._pubsub is not None:
            await self._pubsub.aclose()
