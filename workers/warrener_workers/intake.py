"""Intake: what to do with each delivery before it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from warrener.dead_letters import is_letter
from warrener.messages import Foreign, Malformed, Message
from warrener.presence import PresenceBoard
from warrener.records import JobError
from warrener.retry import NEVER
from warrener.topology import LONGEST_WAIT, TICK
from warrener.transitions import Broken, Granted, Held, Settled, Stale, Verdict

from .arrivals import Arrival
from .claims import Claim, Claims
from .context import Context
from .deliveries import Delivery, Run
from .early import Early
from .outcomes import Bury, deferral, growing_park, worker_lost
from .registry import Registry, TaskSpec
from .settlement import Settlement

log = logging.getLogger(__name__)

LONGEST_PARK = 6.4
"""Seconds: with the lifetime of a presence, the longest that a dead worker's job waits."""


class Intake:
    """Has deliveries claimed, and hands those that are granted to `dispatch`."""

    def __init__(
        self,
        context: Context,
        board: PresenceBoard,
        settlement: Settlement,
        registry: Registry,
        dispatch: Callable[[Run], None],
    ) -> None:
        self._settings = context.settings
        self._clock = context.clock
        self._active = context.active
        self._settlement = settlement
        self._registry = registry
        self._dispatch = dispatch
        self.claims = Claims(context, board, self._answered, settlement.reject)
        self.early = Early(self._take_due)
        self.admit: Callable[[Sequence[Delivery]], None] = self.claims.make
        """Has what may run claimed, sooner or later: what limits jobs takes its place."""

    def take(self, arrivals: Sequence[Arrival]) -> None:
        """Deal with these deliveries; returns at once."""
        ours = []
        for delivery, found in arrivals:
            match found:
                case Malformed():
                    self._settlement.refuse(delivery, found)
                case Foreign():
                    self._settlement.adopt(delivery, found)
                case Message():
                    if self._may_run(delivery):
                        ours.append(delivery)
        self.admit(ours)

    def _take_due(self, deliveries: Sequence[Delivery]) -> None:
        self.admit([delivery for delivery in deliveries if self._may_run(delivery)])

    def _may_run(self, delivery: Delivery) -> bool:
        """False for what waits, here or in the ladder, without asking the store."""
        message, now = delivery.message, self._clock()
        if delivery.undelivered:
            if is_letter(message):
                self._settlement.bury_again(delivery)
                return False
            return True
        left = 0.0 if message.due is None else message.due - now
        if left > 2 * TICK:
            # Longer than the whole ladder, or a clock that is ahead: carried on.
            self._settlement.pass_on(delivery, message, min(left, LONGEST_WAIT))
        elif left > 0:
            self.early.hold(delivery, left)
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

    def _answered(self, claim: Claim, verdict: Verdict) -> None:
        try:
            self._follow(claim.delivery, claim, verdict)
        except Exception:
            # One that nobody foresaw must not take the others with it.
            log.exception("a claimed message is dead-lettered", extra=claim.delivery.facts)
            self._settlement.reject([claim.delivery])

    def _follow(self, delivery: Delivery, claim: Claim, verdict: Verdict) -> None:
        match verdict:
            case Granted(losses):
                self._granted(claim, losses)
            case Settled():
                self._settlement.repay(delivery, verdict)
            case Stale():
                self._settlement.acknowledge(delivery, "a later attempt is on its way")
            case Broken(reason):
                self._settlement.bury_unrecorded(delivery, reason)
            case Held():
                self._park(delivery, f"worker {verdict.worker} holds it")

    def _granted(self, claim: Claim, losses: int) -> None:
        delivery, message = claim.delivery, claim.delivery.message
        spec = self._registry.specs.get(message.task) or _unknown_spec(message.task, delivery.queue)
        run = Run(delivery, spec, claim.token, claim.made, self._clock(), losses, claim.tenure)
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


def _unknown_spec(task: str, queue: str) -> TaskSpec:
    return TaskSpec(task, queue, NEVER.backoff, None, 0, False)
