"""Sluices: which queues this worker consumes now. A queue is closed while an operator has paused it, and
while its limits let nothing begin; nothing of it is held meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from typing import Protocol

from warrener.errors import StoreUnavailable
from warrener.flow import Ask, Flow, Refusal
from warrener.limits import QueueRules, Rate, queue_scope

from .context import Context
from .deliveries import Delivery

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.02, 1.0
"""Seconds between two looks for a place: places that other workers free are not announced."""


class Consumes(Protocol):
    """What is needed of the consumer."""

    async def hold(self, queue: str) -> None:
        """Consume no more from this queue for now."""

    async def let(self, queue: str) -> None:
        """Consume from this queue again."""


class Sluices:
    """Opens and closes the queues of a worker."""

    def __init__(
        self, context: Context, flow: Flow, queues: Sequence[str], consumer: Consumes | None = None
    ) -> None:
        self._clock = context.clock
        self._patience = context.settings.presence_lifetime
        self._flow = flow
        self._queues = queues
        self.consumer = consumer
        self.rules: dict[str, QueueRules] = {}
        self.closed: set[str] = set()
        self._paused: set[str] = set()
        self._applying = asyncio.Lock()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._wakes = {queue: asyncio.Event() for queue in queues}
        self._store_answers_since = context.clock()

    # Whom to believe -----------------------------------------------------------------------------

    @property
    def judges(self) -> bool:
        """True if the silence of others means that they are gone: the store has answered for long enough
        that they would have been heard."""
        return self._clock() - self._store_answers_since >= self._patience

    def store_was_away(self) -> None:
        """Redis did not answer."""
        self._store_answers_since = self._clock()

    # What operators set --------------------------------------------------------------------------

    async def look(self) -> None:
        """See what is set for the queues. While the store is away, what was set last counts."""
        try:
            rules = await self._flow.rules()
        except StoreUnavailable as error:
            self.store_was_away()
            log.debug("what is set for queues is not read: %s", error)
            return
        before, self.rules = self.rules, rules
        for queue in self._queues:
            rule = rules.get(queue, QueueRules())
            if rule != before.get(queue, QueueRules()):
                log.info("queue %s is %s", queue, rule)
            paused = rule.paused
            if paused and queue not in self._paused:
                self._paused.add(queue)
                self.closed.add(queue)
                await self.give_back(queue, ())
            elif not paused and queue in self._paused:
                self._paused.discard(queue)
                self.close(queue)
        self.places_are_free()

    # Closing and opening -------------------------------------------------------------------------

    def close(self, queue: str) -> None:
        """Let nothing of this queue come before its limits allow it again."""
        self.closed.add(queue)
        if queue not in self._opening and queue not in self._paused:
            self._opening[queue] = asyncio.get_running_loop().create_task(self._open(queue))

    async def give_back(self, queue: str, deliveries: Sequence[Delivery]) -> None:
        """Stop consuming if it is closed, then return these to the queue: uncharged."""
        await self._apply(queue)
        for delivery in deliveries:
            await delivery.requeue()

    async def _apply(self, queue: str) -> None:
        """Consume or not, as it is closed now. Called after each change, so that the last one counts,
        however many are under way."""
        async with self._applying:
            if self.consumer is None:
                return
            if queue in self.closed:
                await self.consumer.hold(queue)
            else:
                await self.consumer.let(queue)

    def places_are_free(self) -> None:
        """Something was given back, or set: those who wait look again."""
        for wake in self._wakes.values():
            wake.set()

    async def _open(self, queue: str) -> None:
        pause = SHORTEST
        while queue not in self._paused and (refusal := await self._refused(queue)) is not None:
            wake = self._wakes[queue]
            wake.clear()
            wait = refusal.wait or pause * random.uniform(0.5, 1.0)  # noqa: S311 — no secret
            rule = self.rules.get(queue)
            if refusal.what == "rate" and rule is not None and rule.rate is not None:
                # Until several may start: what comes too early costs a way back to the queue.
                rate = Rate.parse(rule.rate)
                wait += rate.burst // 2 * rate.interval
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(SHORTEST, wait)):
                    await wake.wait()
            pause = min(2 * pause, LONGEST)
        # All at once, with no await between: whoever closes it from here on finds nobody who opens it.
        del self._opening[queue]
        if queue not in self._paused:
            self.closed.discard(queue)
            await self._apply(queue)

    async def _refused(self, queue: str) -> Refusal | None:
        """Whether a job of this queue could start now."""
        rules = self.rules.get(queue)
        if rules is None or not rules.limited:
            return None
        scope = queue_scope(queue, rules)
        try:
            [refusal] = await self._flow.take(
                [Ask("", "", 0, (scope,))], judge=self.judges, look=True
            )
        except Exception as error:
            # Whatever it is, a queue must not stay closed for it.
            self.store_was_away()
            log.warning("queue %s stays closed for now: %s", queue, error)
            return Refusal(scope.name, "away", LONGEST, False)
        return refusal

    async def stop(self) -> None:
        """Open nothing any more."""
        tasks = list(self._opening.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
