"""The end of a run: the move of its record, and what it then owes. Nothing is done here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import orjson

from warrener import transitions
from warrener.outgoing import Outgoing
from warrener.records import JobError
from warrener.states import State
from warrener.transitions import Failing, Reply, Transition

from .context import Context
from .debts import Debt, Debts
from .deliveries import Run
from .follow_ups import End, owed_result
from .outcomes import Again, Bury, Complete, Defer, Ending

log = logging.getLogger(__name__)


class RunEnd(NamedTuple):
    """The end of a run, on its way into the store; `owes` makes the debt out of the store's answer."""

    run: Run
    move: Transition
    owes: Callable[[Reply], Debt] | None = None


class Ender:
    """Turns decisions into ends."""

    def __init__(self, context: Context, debts: Debts) -> None:
        self._settings = context.settings
        self._worker = context.runner.worker
        self._clock = context.clock
        self._debts = debts

    def ending(self, run: Run, decision: Ending) -> RunEnd:
        """The end of a run that came to this decision."""
        now, job_id, token = self._clock(), run.message.job_id, run.token
        about = (run.message, run.delivery.queue)
        match decision:
            case Complete(result):
                ttls = (self._settings.result_ttl, self._settings.dedupe_ttl)
                owed = owed_result(run.message, result)
                move = transitions.succeed(job_id, token, now, result, ttls, owed, about=about)
                return RunEnd(run, move, self._followed(run, result) if owed else None)
            case Again(error, delay):
                due = now + delay
                log.info(
                    "job %s failed: %s: %s; its next attempt is due in %.1f s",
                    job_id,
                    error.type,
                    error.message,
                    delay,
                    extra=run.delivery.facts,
                )
                entry = self._history(run, error, now)
                how = self._failing(error, entry, {"retry": due})
                move = transitions.fail(job_id, token, now, how, due, about)
                return RunEnd(
                    run, move, lambda _: self._debts.next_attempt(run.delivery, due, token)
                )
            case Bury(error):
                entry = self._history(run, error, now)
                how = self._failing(error, entry, {"dead": now})
                move = transitions.fail(job_id, token, now, how, about=about)

                def dead_letter(reply: Reply) -> Debt:
                    attempts = orjson.loads(b"[" + reply[1] + b"]")
                    return self._debts.dead_letter(run.delivery, error, attempts, now, token)

                return RunEnd(run, move, dead_letter)
            case Defer(message, delay):
                log.info(
                    "job %s does not fit the code of this worker, and waits for one that it fits",
                    job_id,
                    extra=run.delivery.facts,
                )
                debt = Debt(run.delivery, Outgoing(message, run.delivery.queue, delay))
                return RunEnd(run, transitions.release(job_id, token), lambda _: debt)

    def _followed(self, run: Run, result: bytes) -> Callable[[Reply], Debt]:
        end = End(run.message, State.SUCCESS, result)
        return lambda _: Debt(run.delivery, None, run.token, end=end)

    def _failing(self, error: JobError, entry: bytes, owed: dict[str, float]) -> Failing:
        ttl = self._settings.dedupe_ttl
        return Failing(error.to_json(), entry, orjson.dumps(owed), ttl)

    def _history(self, run: Run, error: JobError, now: float) -> bytes:
        return orjson.dumps(
            {
                "attempt": run.message.attempt,
                "started": run.started,
                "finished": now,
                "worker": self._worker,
                "type": error.type,
                "message": error.message,
                "reason": error.reason,
            }
        )
