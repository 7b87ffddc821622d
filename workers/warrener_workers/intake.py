"""Intake: what to do with each delivery before it runs. Claims are made for all that arrived together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from warrener import transitions
from warrener.dead_letters import is_letter
from warrener.errors import StoreUnavailable
from warrener.ids import new_id
from warrener.messages import Foreign, Malformed, Message
from warrener.presence import PresenceBoard
from warrener.records import JobError
from warrener.retry import NEVER
from warrener.topology import LONGEST_WAIT, TICK
from warrener.transitions import Broken, Granted, Held, Settled, Stale, Verdict

from .consumer import Arrival
from .context import Context
from .deliveries import Delivery, Run
from .outcomes import Bury, deferral, growing_park, worker_lost
from .patience import patiently
from .registry import Registry, TaskSpec
from .settlement import Settlement

log = logging.getLogger(__name__)

LONGEST_PARK = 6.4
"""Seconds: with the lifetime of a presence, the longest that a dead worker's job waits."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery for which the store is asked, `made` at this Unix time."""

    delivery: Delivery
    token: str
    made: float


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
        self._asked: dict[str, Claim] = {}
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
        task.add_done_callback(self._claiming.discard)

    def _is_active(self, delivery: Delivery) -> bool:
        run = self._active.get(delivery.message.job_id)
        return run is not None and run.delivery is delivery

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
            wait = min(message.due - now, LONGEST_WAIT)
            self._settlement.pass_on(delivery, message, wait)
        elif message.job_id in self._active:
            self._park(delivery, "it runs in this worker")
        elif message.task not in self._registry.specs and (
            defer := deferral(message, now, self._settings.unknown_task_grace)
        ):
            log.info(
                "no task %r here: job %s waits for a worker that has it",
                message.task,
                message.job_id,
                extra=delivery.facts,
            )
            self._settlement.pass_on(delivery, defer.message, defer.delay)
        else:
            return True
        return False

    def _park(self, delivery: Delivery, why: str) -> None:
        message = delivery.message
        log.info("job %s is put back for now: %s", message.job_id, why, extra=delivery.facts)
        delay = growing_park(message.parks, LONGEST_PARK)
        self._settlement.pass_on(delivery, message.parked(), delay)

    # Claims --------------------------------------------------------------------------------------

    async def _claim_all(self) -> None:
        """One round trip at a time: what arrives during one is claimed together in the next, so that the
        batches grow with the load."""
        try:
            while self._unclaimed:
                deliveries, self._unclaimed = self._unclaimed, []
                try:
                    await self._claim(deliveries)
                except Exception:
                    log.exception("claiming failed; what is not claimed is dead-lettered")
                    self._settlement.reject([d for d in deliveries if not self._is_active(d)])
        finally:
            self._asking = False

    async def _claim(self, deliveries: Sequence[Delivery]) -> None:
        claims = [Claim(delivery, new_id(), self._clock()) for delivery in deliveries]
        held = []
        for claim, verdict in zip(claims, await self._verdicts(claims), strict=True):
            if isinstance(verdict, Held):
                held.append((claim, verdict))
            else:
                self._answered(claim, verdict)
        if held:
            self._start(self._contest_safely(held))

    async def _verdicts(
        self, claims: Sequence[Claim], abandoned: Sequence[str] = ()
    ) -> list[Verdict]:
        """What the store says to these claims, the last ones made in place of `abandoned` ones. While
        it has not answered, they count as held here: it may have granted them."""
        olds = abandoned or [""] * len(claims)
        moves = [
            transitions.claim(
                claim.delivery.message,
                claim.delivery.queue,
                claim.token,
                self._runner,
                claim.made,
                old,
            )
            for claim, old in zip(claims, olds, strict=True)
        ]
        self._asked.update({claim.token: claim for claim in claims})
        try:
            replies = await patiently(lambda: self._store.apply(moves), self.store_was_away)
        finally:
            for claim in claims:
                del self._asked[claim.token]
        return [transitions.read_claim(reply) for reply in replies]

    def store_was_away(self) -> None:
        """Redis did not answer: the silence of other workers means nothing for a while."""
        self._store_answers_since = self._clock()

    def _answered(self, claim: Claim, verdict: Verdict) -> None:
        delivery = claim.delivery
        match verdict:
            case Granted(losses):
                self._granted(claim, losses)
            case Settled():
                self._settlement.repay(delivery, verdict)
            case Stale():
                self._settlement.acknowledge(delivery, "a later attempt is on its way")
            case Broken(reason):
                error = JobError("RecordBroken", reason, "", "record_broken")
                self._settlement.bury_unrecorded(delivery, error)
            case Held():
                self._park(delivery, f"another worker ({verdict.owner}) runs it")

    def _granted(self, claim: Claim, losses: int) -> None:
        delivery, message = claim.delivery, claim.delivery.message
        spec = self._registry.specs.get(message.task) or _unknown_spec(message.task, delivery.queue)
        run = Run(delivery, spec, claim.token, claim.made, self._clock(), losses)
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

    async def _contest_safely(self, held: list[tuple[Claim, Held]]) -> None:
        try:
            await self._contest(held)
        except Exception:
            log.exception("contested claims were not settled; they are put back")
            for claim, _ in held:
                if not self._is_active(claim.delivery):
                    self._park(claim.delivery, "its claim could not be contested")

    async def _contest(self, held: list[tuple[Claim, Held]]) -> None:
        """Take over what nobody runs any more, park the rest."""
        lapsed = self._settings.presence_lifetime
        sure = self._clock() - self._store_answers_since >= lapsed
        try:
            presences = await self._board.of_many({verdict.owner for _, verdict in held})
        except StoreUnavailable:
            presences, sure = {}, False
        claims, abandoned = [], []
        for claim, verdict in held:
            presence = presences.get(verdict.owner)
            if sure and self._board.abandoned(presence, verdict.token, verdict.claimed):
                claims.append(Claim(claim.delivery, claim.token, self._clock()))
                abandoned.append(verdict.token)
            else:
                who = presence.name if presence else "unknown"
                self._park(claim.delivery, f"worker {who} holds it")
        if claims:
            answers = await self._verdicts(claims, abandoned)
            for claim, answer in zip(claims, answers, strict=True):
                if isinstance(answer, Granted):
                    delivery = claim.delivery
                    log.warning(
                        "job %s is taken over from a lost worker",
                        delivery.message.job_id,
                        extra=delivery.facts,
                    )
                self._answered(claim, answer)

    @property
    def claimed(self) -> list[tuple[str, float]]:
        """Token and time of each claim whose answer is awaited."""
        return [(claim.token, claim.made) for claim in self._asked.values()]

    async def drain(self, seconds: float | None = None) -> None:
        """Return once all claims under way are answered. Those that are not within so many seconds are
        given up, and their deliveries come again elsewhere."""
        try:
            async with asyncio.timeout(seconds):
                while self._claiming:
                    await asyncio.gather(*self._claiming, return_exceptions=True)
        except TimeoutError:
            log.warning("claims that the store has not answered are given up")


def _unknown_spec(task: str, queue: str) -> TaskSpec:
    return TaskSpec(task, queue, NEVER.backoff, None, 0, False)
