"""Debts: what must be published before a delivery may be acknowledged, and how that is done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from warrener import transitions
from warrener.dead_letters import DeadLetter, Death, bury
from warrener.errors import BrokerUnavailable, PublishRefused, PublishTimeout, QueueNotFound
from warrener.letter_index import DeadLetterIndex
from warrener.outgoing import Outgoing, Publishes
from warrener.records import JobError
from warrener.states import State

from .context import Context
from .deliveries import Delivery
from .follow_ups import OWED, End, FollowUps, ended
from .patience import patiently, pauses

log = logging.getLogger(__name__)

PASSING = (BrokerUnavailable, PublishTimeout, PublishRefused, QueueNotFound)
"""What may be over at the next try."""


@dataclass(frozen=True, slots=True)
class Debt:
    """What must be published or done before a delivery is acknowledged; `token` names the run that owes it,
    and is empty if no record says so."""

    delivery: Delivery
    outgoing: Outgoing | None
    token: str = ""
    letter: DeadLetter | None = None
    end: End | None = None
    """The end of a job from which more follows."""


class Debts:
    """Makes debts and pays them."""

    def __init__(
        self, context: Context, publisher: Publishes, follow_ups: FollowUps | None = None
    ) -> None:
        self._follow_ups = follow_ups
        self._apply = context.store.apply
        self._status = context.store.status
        self._worker = context.runner.worker
        self._clock = context.clock
        self._publisher = publisher
        self._index = DeadLetterIndex(context.settings, context.store)

    def next_attempt(self, delivery: Delivery, due: float, token: str) -> Debt:
        """The attempt after this one, due at this Unix time."""
        message = delivery.message.next_attempt()._replace(due=due)
        delay = max(0.0, due - self._clock())
        return Debt(delivery, Outgoing(message, delivery.queue, delay), token)

    def dead_letter(
        self,
        delivery: Delivery,
        error: JobError,
        attempts: list[dict[str, Any]],
        died: float,
        token: str,
    ) -> Debt:
        """The letter of a job that died of this error at this Unix time."""
        death = Death(error, died, self._worker, attempts)
        outgoing, letter = bury(delivery.message, delivery.queue, death)
        log.warning(
            "job %s (%s) is dead-lettered to %s.dead: %s: %s",
            delivery.message.job_id,
            delivery.message.task,
            delivery.queue,
            error.type,
            error.message,
            extra=delivery.facts,
        )
        end = ended(delivery.message, State.FAILURE, error)
        return Debt(delivery, outgoing, token, letter, end)

    def broken_record(self, delivery: Delivery, reason: str) -> Debt:
        """The letter of a job whose record in Redis cannot be used."""
        error = JobError("RecordBroken", reason, "", "record_broken")
        return self.dead_letter(delivery, error, [], self._clock(), "")

    async def still_owed(self, delivery: Delivery, settled: transitions.Settled) -> Debt | None:
        """What an attempt that has ended may not have paid, by its record; None for nothing."""
        if settled.owed.startswith(OWED):
            end = End(delivery.message, State.SUCCESS, settled.owed[len(OWED) :])
            return Debt(delivery, None, settled.token, end=end)
        if not settled.owed:
            return await self._owed_by_revoked(delivery)
        owed = orjson.loads(settled.owed)
        if "retry" in owed:
            return self.next_attempt(delivery, owed["retry"], settled.token)
        status = await patiently(partial(self._status, delivery.message.job_id))
        error = (status.error if status else None) or JobError("Unknown", "its record is gone")
        attempts = status.attempts if status else []
        return self.dead_letter(delivery, error, attempts, owed["dead"], settled.token)

    async def _owed_by_revoked(self, delivery: Delivery) -> Debt | None:
        """A job that something follows from has ended, and owes nothing by its record: it was revoked,
        perhaps elsewhere, or it has paid."""
        status = await patiently(partial(self._status, delivery.message.job_id))
        if status is None or status.state is not State.REVOKED:
            return None
        reason = status.reason or "revoked"
        error = JobError("Revoked", f"it was revoked: {reason}", "", reason)
        return Debt(delivery, None, end=End(delivery.message, State.REVOKED, error=error))

    async def pay(self, debts: Sequence[Debt]) -> None:
        """Publish what is owed, with confirms, then clear it. Returns once all is done, however long the
        broker or the store is away."""
        published = [(d, d.outgoing) for d in debts if d.outgoing is not None]
        for queue in {o.queue for d, o in published if o.dead and d.delivery.undelivered}:
            # Without its dead queue the letter would only come back here, and again.
            await patiently(partial(self._publisher.require_dead_queue, queue))
        if published:
            await self._publish([outgoing for _, outgoing in published])
        letters = [debt.letter for debt in debts if debt.letter is not None]
        if letters:
            await patiently(lambda: self._index.add(letters))
        ends = [debt.end for debt in debts if debt.end is not None]
        if ends and self._follow_ups is not None:
            await self._follow_ups.follow(ends)
        paid = [transitions.pay(d.delivery.message.job_id, d.token) for d in debts if d.token]
        if paid:
            await patiently(partial(self._apply, paid))

    async def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish all, and those that fail again, until the broker has confirmed each."""
        left = list(outgoing)
        for pause in pauses():
            faults = await self._publisher.publish_many(left)
            left = [one for one, fault in zip(left, faults, strict=True) if fault is not None]
            if not left:
                return
            for fault in filter(None, faults):
                if not isinstance(fault, PASSING):
                    raise fault
            log.warning(
                "%d message(s) not published yet: %s", len(left), next(f for f in faults if f)
            )
            await asyncio.sleep(pause)
