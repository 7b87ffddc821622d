"""Settlement: the only place that acknowledges. Each delivery ends here, in this order: what happened is
stored together with what it owes, what it owes is published and confirmed, the debt is cleared, and the
delivery is acknowledged. Killed between any two of these steps, the redelivery takes up the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from functools import partial

from warrener import transitions
from warrener.dead_letters import bury_malformed, read
from warrener.ids import new_id
from warrener.messages import Foreign, Malformed, Message
from warrener.outgoing import Outgoing, Publishes
from warrener.transitions import Reply

from .context import Context
from .debts import Debt, Debts
from .deliveries import Delivery, Run
from .ends import Ender, RunEnd
from .follow_ups import FollowUps, is_followed
from .outcomes import Ending
from .patience import patiently
from .tally import Tally

log = logging.getLogger(__name__)


class Settlement:
    """Settles deliveries, as many as have ended together."""

    def __init__(
        self,
        context: Context,
        publisher: Publishes,
        tally: Tally | None = None,
        follow_ups: FollowUps | None = None,
    ) -> None:
        self._tally = tally
        self._settings = context.settings
        self._apply = context.store.apply
        self._claim = context.claim
        self._worker = context.runner.worker
        self._clock = context.clock
        self._active = context.active
        self._debts = Debts(context, publisher, follow_ups)
        self._ender = Ender(context, self._debts)
        self._endings: list[RunEnd] = []
        self._reports: dict[Run, bytes] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._storing: asyncio.Task[None] | None = None

    # A run has ended -----------------------------------------------------------------------------

    def finish(self, run: Run, decision: Ending) -> None:
        """Settle a run that came to this decision."""
        if self._tally is not None:
            self._tally.ended(run, decision)
        self._endings.append(self._ender.ending(run, decision))
        self._store_soon()

    def show_progress(self, run: Run, report: bytes) -> None:
        """Store how far a run is: the latest report alone, and before the run's end."""
        self._reports[run] = report
        self._store_soon()

    def _store_soon(self) -> None:
        if self._storing is None or self._storing.done():
            self._storing = self._start(self._store())

    async def _store(self) -> None:
        """One round trip at a time: what ends during one is stored together in the next."""
        while self._endings or self._reports:
            endings, self._endings = self._endings, []
            reports, self._reports = self._reports, {}
            moves = [
                transitions.progress(
                    run.message.job_id, run.token, report, (run.message, run.delivery.queue)
                )
                for run, report in reports.items()
            ]
            moves += [ending.move for ending in endings]
            try:
                replies = await patiently(partial(self._apply, moves))
                await self._stored(endings, replies[len(reports) :])
            except Exception:
                log.exception("the ends of %d run(s) are not stored", len(endings))
                self.reject([ending.run.delivery for ending in endings])

    async def _stored(self, endings: Sequence[RunEnd], replies: Sequence[Reply]) -> None:
        debts, forgotten = [], []
        for ending, reply in zip(endings, replies, strict=True):
            if reply[0] == b"forgotten":
                forgotten.append(ending)
                continue
            if reply[0] == b"broken":
                debts.append(self._debts.broken_record(ending.run.delivery, reply[1].decode()))
                continue
            if reply[0] == b"revoked":
                log.info(
                    "job %s was revoked while it ran",
                    ending.run.message.job_id,
                    extra=ending.run.delivery.facts,
                )
                if is_followed(ending.run.message):
                    self.repay(ending.run.delivery, transitions.Settled(b"", ending.run.token))
                    continue
            elif reply[0] != b"ok":
                self._log_superseded(ending.run)
            elif ending.owes is not None:
                debts.append(ending.owes(reply))
                continue
            await self._acknowledge(ending.run.delivery)
        # Not awaited: a slow confirm must not hold up those who owe nothing.
        if debts:
            self._start(self._pay(debts), *(debt.delivery for debt in debts))
        if forgotten:
            self._start(
                self._claim_again(forgotten), *(ending.run.delivery for ending in forgotten)
            )

    async def _claim_again(self, endings: Sequence[RunEnd]) -> None:
        """Redis has lost these runs' claims, and perhaps all it had. Nobody else has claimed them since:
        with the claim repeated, the runs end as they did."""
        claims = [
            self._claim(ending.run.delivery, ending.run.token, ending.run.claimed)
            for ending in endings
        ]
        replies = await patiently(partial(self._apply, claims))
        for ending, reply in zip(endings, replies, strict=True):
            if isinstance(transitions.read_claim(reply), transitions.Granted):
                self._endings.append(ending)
            else:
                self._log_superseded(ending.run)
                await self._acknowledge(ending.run.delivery)
        self._store_soon()

    async def _acknowledge(self, delivery: Delivery) -> None:
        await delivery.acknowledge()
        self._forget(delivery)

    def _forget(self, delivery: Delivery) -> None:
        run = self._active.get(delivery.message.job_id)
        if run is not None and run.delivery is delivery:
            del self._active[delivery.message.job_id]

    def _log_superseded(self, run: Run) -> None:
        log.warning(
            "job %s attempt %d ended here after another worker had taken it over: its outcome is dropped",
            run.message.job_id,
            run.message.attempt,
            extra=run.delivery.facts,
        )

    async def _pay(self, debts: Sequence[Debt]) -> None:
        await self._debts.pay(debts)
        for debt in debts:
            await self._acknowledge(debt.delivery)

    # Deliveries that do not run ------------------------------------------------------------------

    def acknowledge(self, delivery: Delivery, why: str) -> None:
        """Settle a delivery of an attempt that has ended before."""
        log.info(
            "job %s acknowledged without running: %s",
            delivery.message.job_id,
            why,
            extra=delivery.facts,
        )
        self._start(delivery.acknowledge(), delivery)

    def pass_on(self, delivery: Delivery, message: Message, delay: float) -> None:
        """Put a job back into its queue after `delay` seconds, as `message`."""
        debt = Debt(delivery, Outgoing(message, delivery.queue, delay))
        self._start(self._pay([debt]), delivery)

    def adopt(self, delivery: Delivery, found: Foreign) -> None:
        """Publish a job that came without an id again with one. A crash between the confirm and the
        acknowledgement doubles it: there is nothing by which to tell the two apart."""
        message = found.message._replace(job_id=new_id(), created=self._clock())
        log.info(
            "a job of %s came without an id and is adopted as %s", message.task, message.job_id
        )
        self._start(self._adopt(delivery, message), delivery)

    async def _adopt(self, delivery: Delivery, message: Message) -> None:
        await self._pay([Debt(delivery, Outgoing(message, delivery.queue))])
        await patiently(partial(self._apply, [transitions.submit(message, delivery.queue)]))

    def refuse(self, delivery: Delivery, found: Malformed) -> None:
        """Dead-letter a delivery that is no job."""
        outgoing, letter = bury_malformed(found, delivery.queue, self._clock(), self._worker)
        log.warning("a message on %s is dead-lettered: %s", delivery.queue, found.reason)
        self._start(self._pay([Debt(delivery, outgoing, letter=letter)]), delivery)

    def bury_unrecorded(self, delivery: Delivery, reason: str) -> None:
        """Dead-letter a job whose record cannot be used."""
        self._start(self._pay([self._debts.broken_record(delivery, reason)]), delivery)

    def give_up(self, runs: Sequence[Run]) -> None:
        """Forget these runs: RabbitMQ has taken their deliveries back."""
        for run in runs:
            self._forget(run.delivery)

    def reject(self, deliveries: Sequence[Delivery]) -> None:
        """Have RabbitMQ dead-letter what could not be settled here."""
        for delivery in deliveries:
            self._forget(delivery)
            self._start(delivery.reject())

    def bury_again(self, delivery: Delivery) -> None:
        """Send a dead letter once more to its dead queue, which it had not reached."""
        letter = read(delivery.message, delivery.queue)
        outgoing = Outgoing(delivery.message, delivery.queue, dead=True)
        self._start(self._pay([Debt(delivery, outgoing, letter=letter)]), delivery)

    def repay(self, delivery: Delivery, settled: transitions.Settled) -> None:
        """Settle the redelivery of an attempt that ended, but may not have published what it owed."""
        if not settled.owed and not is_followed(delivery.message):
            self.acknowledge(delivery, "it has ended")
        else:
            self._start(self._repay(delivery, settled), delivery)

    async def _repay(self, delivery: Delivery, settled: transitions.Settled) -> None:
        owed = await self._debts.still_owed(delivery, settled)
        if owed is None:
            await self._acknowledge(delivery)
        else:
            await self._pay([owed])

    async def hand_back(self, runs: Sequence[Run]) -> None:
        """Return runs that did not end here, uncharged. Raises StoreUnavailable."""
        try:
            if runs:
                released = [transitions.release(run.message.job_id, run.token) for run in runs]
                await self._apply(released)
        finally:
            for run in runs:
                await run.delivery.requeue()

    # Work under way ------------------------------------------------------------------------------

    def _start(self, work: Awaitable[None], *deliveries: Delivery) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(self._settled(work, deliveries))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _settled(self, work: Awaitable[None], deliveries: Sequence[Delivery]) -> None:
        try:
            await work
        except Exception:
            # A fault of ours, or bytes that nobody foresaw: it must not be held for ever.
            log.exception("settling failed; RabbitMQ dead-letters %d message(s)", len(deliveries))
            for delivery in deliveries:
                self._forget(delivery)
                await delivery.reject()

    async def drain(self) -> None:
        """Return once everything handed over has been settled."""
        while self._work:
            await asyncio.gather(*self._work, return_exceptions=True)

    def abandon(self) -> None:
        """Stop settling; what is left comes again elsewhere."""
        for task in self._work:
            task.cancel()
