"""Throttling: between what arrives and its claim, jobs that are limited get a place, or wait in RabbitMQ.

The place is taken first, then the claim: a crash between them costs a place until it lapses with its
owner's presence, and nobody ever runs without one. A queue's limit stops its consumers, and what has come
already goes back to it; a limit of a task or a key sends the job through the delay ladder. A job without
limits passes through at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from warrener.errors import StoreUnavailable
from warrener.flow import Ask, Flow, Refusal
from warrener.ids import new_id
from warrener.limits import Scope, queue_scope, task_scopes

from .context import Context
from .deliveries import Delivery
from .outcomes import throttled_park
from .patience import patiently
from .registry import Registry
from .sluices import Sluices

log = logging.getLogger(__name__)


class Parks(Protocol):
    """What is needed of the settlement."""

    def pass_on(self, delivery: Delivery, message: Any, delay: float) -> None:
        """Put a job back into its queue after `delay` seconds."""

    def reject(self, deliveries: Sequence[Delivery]) -> None:
        """Have RabbitMQ dead-letter what could not be settled here."""


class Throttling:
    """Lets deliveries pass to `forward` as limits allow."""

    def __init__(
        self,
        context: Context,
        flow: Flow,
        registry: Registry,
        parks: Parks,
        forward: Callable[[Sequence[Delivery]], None],
        queues: Sequence[str] = (),
    ) -> None:
        self._context = context
        self._flow = flow
        self._limits = {name: s.limits for name, s in registry.specs.items() if s.limits}
        self._parks = parks
        self._forward = forward
        self.sluices = Sluices(context, flow, queues)
        self._waiting: list[tuple[Delivery, Ask]] = []
        self._asking = False
        self._places: dict[str, tuple[Delivery, Ask]] = {}
        self._leaving: list[Ask] = []
        self._updating = asyncio.Lock()
        self._work: set[asyncio.Task[None]] = set()

    def admit(self, deliveries: Sequence[Delivery]) -> None:
        """Let these pass, now or later; returns at once."""
        plain, back = [], defaultdict(list)
        for delivery in deliveries:
            if delivery.queue in self.sluices.closed and not delivery.undelivered:
                back[delivery.queue].append(delivery)
            elif scopes := self._scopes(delivery):
                message = delivery.message
                ask = Ask(new_id(), message.job_id, message.parks, tuple(scopes))
                self._waiting.append((delivery, ask))
            else:
                plain.append(delivery)
        if plain:
            self._forward(plain)
        for queue, some in back.items():
            self._start(self.sluices.give_back(queue, some))
        if self._waiting and not self._asking:
            self._asking = True
            self._start(self._ask_all())

    def _scopes(self, delivery: Delivery) -> list[Scope]:
        if delivery.undelivered:
            return []
        message, rules = delivery.message, self.sluices.rules.get(delivery.queue)
        scopes = [queue_scope(delivery.queue, rules)] if rules and rules.limited else []
        if limits := self._limits.get(message.task):
            scopes += task_scopes(message.task, limits, message.concurrency_key)
        return scopes

    # Asking --------------------------------------------------------------------------------------

    async def _ask_all(self) -> None:
        """One round trip at a time: what arrives during one asks together in the next."""
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._ask(asked)
        finally:
            self._asking = False

    async def _ask(self, asked: Sequence[tuple[Delivery, Ask]]) -> None:
        asks = [ask for _, ask in asked]
        take = partial(self._flow.take, asks, judge=self.sluices.judges)
        try:
            refusals = await patiently(take, self.sluices.store_was_away)
        except Exception:
            log.exception("asking for places failed")
            self._parks.reject([delivery for delivery, _ in asked])
            return
        granted, back = [], defaultdict(list)
        for (delivery, ask), refusal in zip(asked, refusals, strict=True):
            if refusal is None:
                self._places[ask.token] = (delivery, ask)
                delivery.on_settled = partial(self._left, ask)
                granted.append(delivery)
            elif refusal.scope == f"queue:{delivery.queue}":
                self.sluices.close(delivery.queue)
                back[delivery.queue].append(delivery)
            else:
                self._park(delivery, refusal)
        if granted:
            self._forward(granted)
        for queue, some in back.items():
            self._start(self.sluices.give_back(queue, some))

    def _park(self, delivery: Delivery, refusal: Refusal) -> None:
        message = delivery.message
        delay = throttled_park(message.parks, refusal.wait, booked=refusal.booked)
        log.debug(
            "job %s waits %.1f s: %s of %s",
            message.job_id,
            delay,
            refusal.what,
            refusal.scope,
            extra=delivery.facts,
        )
        self._parks.pass_on(delivery, message.parked(), delay)

    # Places --------------------------------------------------------------------------------------

    def _left(self, ask: Ask) -> None:
        if self._places.pop(ask.token, None) is None:
            return
        self._leaving.append(ask)
        if len(self._leaving) == 1:
            self._start(self._leave())

    async def _leave(self) -> None:
        """Give back what has been left meanwhile, in one round trip. What cannot be lapses."""
        async with self._updating:
            leaving, self._leaving = self._leaving, []
            try:
                await self._flow.leave(leaving)
            except StoreUnavailable as error:
                log.debug("%d place(s) are left to lapse: %s", len(leaving), error)
        self.sluices.places_are_free()

    async def watch(self) -> None:
        """On every beat, see what operators have set, and keep the places, without end."""
        while True:
            await asyncio.sleep(self._context.settings.beat)
            await self.sluices.look()
            await self._renew()

    async def _renew(self) -> None:
        """Keep those of jobs that run here. A delivery that RabbitMQ has taken back, and whose job does not
        run, will never be settled."""
        active = self._context.active
        for token, (delivery, _) in list(self._places.items()):
            run = active.get(delivery.message.job_id)
            if delivery.stale and (run is None or run.delivery is not delivery):
                del self._places[token]
        if not self._places:
            return
        async with self._updating:
            try:
                await self._flow.renew([ask for _, ask in self._places.values()])
            except StoreUnavailable as error:
                self.sluices.store_was_away()
                log.debug("places are not renewed: %s", error)

    # Work under way ------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def drain(self, until: float | None = None) -> None:
        """Open no queue any more; return once nobody waits for an answer, or at this time of the loop."""
        try:
            async with asyncio.timeout_at(until):
                await self.sluices.stop()
                while self._work:
                    await asyncio.gather(*self._work, return_exceptions=True)
        except TimeoutError:
            log.debug("places that the store has not answered for are given up")
