"""Intake: what to do with each delivery before it runs. Claims are made for all that arrived together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from warrener import transitions
from warrener.dead_letters import is_letter
from warrener.errors import StoreUnavailable
from warrener.ids import new_id
from warrener.messages import Foreign, Malformed, Message
from warrener.presence import PresenceBoard
from warrener.records import JobError
from warrener.retry import NEVER
from warrener.topology import TICK
from warrener.transitions import Granted, Held, Settled, Stale, Verdict

from .consumer import Arrival
from .context import Context
from .deliveries import Delivery, Run
from .outcomes import Bury, worker_lost
from .patience import patiently
from .registry import Registry, TaskSpec
from .settlement import Settlement

log = logging.getLogger(__name__)

LONGEST_PARK = 6.4
"""Seconds: with the lifetime of a presence, the longest that a dead worker's job waits."""
LONGEST_UNKNOWN_PARK = 30.0


class Intake:
    """Claims deliveries and hands those that are granted to `dispatch`."""

    def __init__(
        self,
        context: Context,
        board: PresenceBoard,
        settlement: Settlement,
        registry: Registry,
        dispatch: Callable[[Run], None],
    ) -> None:
        self._settings = context.settings
        self._store = context.store
        self._runner = context.runner
        self._clock = context.clock
        self._active = context.active
        self._board = board
        self._settlement = settlement
        self._registry = registry
        self._dispatch = dispatch
        self._unclaimed: list[Delivery] = []
        self._asking = False
        self._claiming: set[asyncio.Task[None]] = set()
        self._store_answers_since = context.clock()

    def take(self, arrivals: Sequence[Arrival]) -> None:
        """Deal with these deliveries; returns at once."""
        for delivery, found in arrivals:
            match found:
                case Malformed():
                    self._settlement.refuse(delivery, found)
                case Foreign():
                    self._settlement.adopt(delivery, found)
                case Message():
                    if self._may_run(delivery):
                        self._unclaimed.append(delivery)
        if self._unclaimed and not self._asking:
            self._asking = True
            self._start(self._claim_all())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._claiming.add(task)
        task.add_done_callback(self._claimed)

    def _claimed(self, task: asyncio.Task[None]) -> None:
        self._claiming.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody has settled these deliveries: they come again when this connection ends.
            log.error("claiming failed", exc_info=error)

    def _may_run(self, delivery: Delivery) -> bool:
        """False for what goes back into the ladder without asking the store."""
        message, now = delivery.message, self._clock()
        if delivery.undelivered:
            if is_letter(message):
                self._settlement.bury_again(delivery)
                return False
            return True
        if message.due is not None and message.due - now > 2 * TICK:
            # Longer than the whole ladder, or a clock that is ahead: carried on.
            self._settlement.pass_on(delivery, message, message.due - now)
        elif message.job_id in self._active:
            self._park(delivery, "it runs in this worker")
        elif message.task not in self._registry.specs and not self._waited_enough(message, now):
            self._park_unknown(delivery, now)
        else:
            return True
        return False

    def _waited_enough(self, message: Message, now: float) -> bool:
        since = message.waiting_since
        return since is not None and now - since >= self._settings.unknown_task_grace

    def _park_unknown(self, delivery: Delivery, now: float) -> None:
        message = delivery.message
        since = message.waiting_since if message.waiting_since is not None else now
        left = self._settings.unknown_task_grace - (now - since)
        delay = min(_growing(message.parks, LONGEST_UNKNOWN_PARK), max(left, 0.0) + TICK)
        log.info(
            "no task %r here: job %s waits for a worker that has it", message.task, message.job_id
        )
        waiting = replace(message.parked(), waiting_since=since)
        self._settlement.pass_on(delivery, waiting, delay)

    def _park(self, delivery: Delivery, why: str) -> None:
        message = delivery.message
        log.info("job %s is put back for now: %s", message.job_id, why)
        delay = _growing(message.parks, LONGEST_PARK)
        self._settlement.pass_on(delivery, message.parked(), delay)

    # Claims --------------------------------------------------------------------------------------

    async def _claim_all(self) -> None:
        """One round trip at a time: what arrives during one is claimed together in the next, so that the
        batches grow with the load."""
        try:
            while self._unclaimed:
                deliveries, self._unclaimed = self._unclaimed, []
                await self._claim(deliveries)
        finally:
            self._asking = False

    async def _claim(self, deliveries: Sequence[Delivery]) -> None:
        tokens = [new_id() for _ in deliveries]
        verdicts = await self._verdicts(
            [self._claim_of(d, token) for d, token in zip(deliveries, tokens, strict=True)]
        )
        held = []
        for delivery, token, verdict in zip(deliveries, tokens, verdicts, strict=True):
            if isinstance(verdict, Held):
                held.append((delivery, token, verdict))
            else:
                self._answered(delivery, token, verdict)
        if held:
            self._start(self._contest(held))

    def _claim_of(
        self, delivery: Delivery, token: str, abandoned: str = ""
    ) -> transitions.Transition:
        return transitions.claim(
            delivery.message, delivery.queue, token, self._runner, self._clock(), abandoned
        )

    async def _verdicts(self, claims: list[transitions.Transition]) -> list[Verdict]:
        replies = await patiently(lambda: self._store.apply(claims), self._store_was_away)
        return [transitions.read_claim(reply) for reply in replies]

    def _store_was_away(self) -> None:
        self._store_answers_since = self._clock()

    def _answered(self, delivery: Delivery, token: str, verdict: Verdict) -> None:
        match verdict:
            case Granted(losses):
                self._granted(delivery, token, losses)
            case Settled():
                self._settlement.repay(delivery, verdict)
            case Stale():
                self._settlement.acknowledge(delivery, "a later attempt is on its way")
            case Held():
                self._park(delivery, f"another worker ({verdict.owner}) runs it")

    def _granted(self, delivery: Delivery, token: str, losses: int) -> None:
        message = delivery.message
        spec = self._registry.specs.get(message.task) or _unknown_spec(message.task, delivery.queue)
        now = self._clock()
        run = Run(delivery, spec, token, now, now, losses)
        self._active[message.job_id] = run
        if delivery.undelivered:
            text = f"RabbitMQ could not deliver it: {delivery.undelivered}"
            self._settlement.finish(run, Bury(JobError("Undelivered", text, "", "undelivered")))
        elif message.task not in self._registry.specs:
            text = f"no worker of {delivery.queue!r} knew the task {message.task!r} within \
{self._settings.unknown_task_grace:g} s"
            self._settlement.finish(run, Bury(JobError("UnknownTask", text, "", "unknown_task")))
        elif losses and (spec.max_losses == 0 or spec.lost_too_often(losses)):
            why = "its worker was lost"
            self._settlement.finish(run, Bury(worker_lost(why, losses)))
        else:
            # What was lost before may take its next process down as well: it gets one of its own.
            run.alone = losses > 1
            self._dispatch(run)

    async def _contest(self, held: list[tuple[Delivery, str, Held]]) -> None:
        """Take over what nobody runs any more, park the rest."""
        lapsed = self._settings.presence_lifetime
        sure = self._clock() - self._store_answers_since >= lapsed
        try:
            owners = {verdict.owner for _, _, verdict in held}
            presences = await self._board.of_many(owners)
        except StoreUnavailable:
            presences, sure = {}, False
        taken = []
        for delivery, token, verdict in held:
            presence = presences.get(verdict.owner)
            gone = self._board.abandoned(presence, verdict.token, verdict.claimed, self._clock())
            if sure and gone:
                taken.append((delivery, token, self._claim_of(delivery, token, verdict.token)))
            else:
                self._park(delivery, f"worker {presence.name if presence else 'unknown'} holds it")
        if taken:
            answers = await self._verdicts([claim for _, _, claim in taken])
            for (delivery, token, _), answer in zip(taken, answers, strict=True):
                log.warning("job %s is taken over from a lost worker", delivery.message.job_id)
                self._answered(delivery, token, answer)

    async def drain(self, seconds: float | None = None) -> None:
        """Return once all claims under way are answered. Those that are not within so many seconds are
        given up, and their deliveries come again elsewhere."""
        try:
            async with asyncio.timeout(seconds):
                while self._claiming:
                    await asyncio.gather(*self._claiming, return_exceptions=True)
        except TimeoutError:
            log.warning("claims that the store has not answered are given up")


def _growing(parks: int, longest: float) -> float:
    return float(min(longest, 0.8 * 2 ** min(parks, 20)))


def _unknown_spec(task: str, queue: str) -> TaskSpec:
    return TaskSpec(task, queue, NEVER.backoff, None, 0, False)
