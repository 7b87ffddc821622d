"""The watchdog: asks RabbitMQ whether it still knows the consumers that we believe to have. A consumer
can be lost without a word to its channel, which stays open and would wait for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from warrener import topology
from warrener.outgoing import Publishes
from warrener.settings import Settings

log = logging.getLogger(__name__)

BEATS = 10
"""A worker's beats between two looks."""


class Watchdog:
    """Looks after the consumers of these queues. `saw` is told how many messages are ready in each."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publishes,
        queues: Iterable[str],
        saw: Callable[[str, int], None] = lambda queue, ready: None,
    ) -> None:
        self._saw = saw
        self._beat = settings.beat
        self._patience = settings.connect_timeout
        self._publisher = publisher
        self._queues = [*queues, topology.Names(settings.namespace).undelivered]
        self.excused: set[str] = set()
        """Queues that are not consumed for now."""

    async def until_missed(self) -> str:
        """Return once a queue that we believe to consume is gone or has no consumer, in two looks one
        after the other: the queue. While RabbitMQ does not answer nothing is missed, as heartbeats see
        to that."""
        missed: str | None = None
        while True:
            await asyncio.sleep(self._beat if missed else BEATS * self._beat)
            seen = await self._look(missed)
            if seen is not None and seen == missed:
                return seen
            missed = seen

    async def _look(self, again: str | None) -> str | None:
        # What was missed before is looked at alone: several queues may be away at once.
        for queue in [again] if again else self._queues:
            try:
                async with asyncio.timeout(self._patience):
                    found = await self._publisher.depth(queue)
            except Exception as error:
                log.debug("the consumers of %s cannot be counted: %r", queue, error)
                continue
            if found is not None:
                self._saw(queue, found.message_count or 0)
            if found is None or not (found.consumer_count or queue in self.excused):
                return queue
        return None
