"""One worker: the parent process that owns RabbitMQ and Redis, put together from its parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import Any

from warrener import transitions
from warrener.catalogue import Catalogue
from warrener.errors import BrokerUnavailable, StoreUnavailable, WarrenerError
from warrener.submissions import Submission
from warrener.topology import check_queue_name

from . import child_backend
from .beating import Beating
from .child_pool import ChildPool
from .child_process import Child
from .children import Spawn
from .deliveries import Run
from .doubts import Doubts
from .frames import Frame, Kind
from .listening import Listening
from .outcomes import Lost, Outcome, Rerun, decide
from .parts import Parts
from .registry import Registry
from .revocations import Revocations
from .tidying import keep_tidy
from .worker_settings import WorkerSettings

log = logging.getLogger(__name__)

EXIT_FORCED = 130
"""What a worker ends with that does not wait for what runs."""

CLOSING = 2.0
"""Seconds for the politest end of a channel, as long as aiormq waits for that of a connection."""
LAST = 1.0
"""Seconds that Redis has for the goodbye at least."""

LIFELINE_BEAT = 0.1
"""Seconds between two signs of life to the children. They wait for one and a half of the worker's own
beats, of which the shortest is half a second: seven signs may be late before one ends itself."""


class Worker:
    """Runs jobs from its queues until told to stop."""

    def __init__(
        self, mine: WorkerSettings, spawn: Spawn, clock: Callable[[], float] = time.time
    ) -> None:
        self._mine = mine
        self._clock = clock
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._charges: set[asyncio.Task[None]] = set()
        self._pool = ChildPool(
            spawn,
            self,
            processes=mine.processes,
            slots=mine.slots_per_child,
            recycling=mine.recycling,
            clock=clock,
        )
        self._beat: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._parts: Parts
        self._doubts: Doubts

    def stop(self) -> None:
        """Ask the worker to finish what runs and return."""
        self._stop.set()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until stop() is called. Raises PoolBroken when children do not start, and at the start
        QueueNameError, WorkerNameTaken, StoreUnavailable, BrokerUnavailable, BrokerRefusedLogin,
        TopologyMismatch, QueueNotFound; later ConsumingLost."""
        self._track(self._beat_children())
        try:
            registry = await self._pool.start()
            for queue in self._mine.queues:
                check_queue_name(queue, registry.settings.namespace)
            self._parts = parts = Parts(registry, self._mine, self._pool.dispatch, self._clock)
            self._doubts = Doubts(
                parts.context, parts.intake.claims, self._pool.assured, self._give_up
            )
            self._pool.limits.neighbour_grace = self._parts.settings.neighbour_grace
            try:
                with contextlib.ExitStack() as attached:
                    for attach in self._mine.attach:
                        attached.callback(attach(self._parts))
                    await self._work(self._parts, registry, on_ready)
            finally:
                await self._finish(self._parts)
        finally:
            await self._pool.stop()
            for task in self._tasks:
                task.cancel()

    async def _work(self, parts: Parts, registry: Registry, on_ready: Callable[[], None]) -> None:
        await parts.client.store.ping()
        await parts.board.take_name(parts.presence)
        watched = (parts.presence, parts.context, parts.board, parts.intake.claims)
        beating = Beating(*watched, self._give_up, self.stop, lambda: self._pool.memory)
        self._beat = beat = self._track(beating.run())
        beat.add_done_callback(lambda _: beating.stop())
        self._pool.is_sure = lambda run: parts.context.tenure.covers(run.tenure)
        self._track(parts.tally.keep())
        self._track(keep_tidy(parts.context))
        revocations = Revocations(parts.context, self._pool.revoke)
        self._track(revocations.watch())
        catalogue = Catalogue(parts.settings, parts.client.store)
        await catalogue.publish(registry.catalogue)
        self._track(catalogue.keep_published(registry.catalogue))
        await parts.throttling.sluices.look()
        self._track(parts.throttling.watch())
        # Only now: a worker that cannot import its app must not hold a single message.
        consuming = await parts.consumer.start()
        name = f"warrener worker {self._mine.name}"
        answer = partial(parts.board.answer, owner=parts.presence.owner)
        looks = (revocations.look, parts.throttling.sluices.look, answer)
        listening = Listening(parts.settings, name, parts.client.publisher, *looks)
        self._listening = self._track(listening.run())
        log.info("%s ready: %s", self._mine.name, ", ".join(self._mine.queues))
        on_ready()
        stopped = asyncio.ensure_future(self._stop.wait())
        first: set[asyncio.Future[Any]] = {stopped, self._pool.broken, beat, consuming}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._pool.broken.done():
            raise self._pool.broken.result()
        if beat.done():
            # Without a presence, others would take over what runs here.
            beat.result()
        if consuming.done():
            consuming.result()

    def _give_up(self, runs: list[Run]) -> None:
        self._pool.give_up(runs)
        self._parts.settlement.give_up(runs)

    # What the pool tells -------------------------------------------------------------------------

    def ended(self, run: Run, outcome: Outcome) -> None:
        """A run came to this outcome: decide, then settle."""
        now, grace = self._clock(), self._parts.settings.unknown_task_grace
        decision = decide(outcome, run.message, run.spec, now, grace)
        if isinstance(decision, Rerun):
            run.alone = True
            self._pool.dispatch(run)
        else:
            self._parts.settlement.finish(run, decision)

    def lost(self, run: Run, reason: str, *, charged: bool) -> None:
        """A run's process died under it. Only a job that was alone in it is charged: among several,
        nobody knows whose fault it was, and each runs again alone."""
        if charged:
            charge = self._track(self._charge(run, reason))
            self._charges.add(charge)
            charge.add_done_callback(self._charges.discard)
            return
        if run.spec.max_losses:
            log.warning(
                "job %s runs again, alone and uncharged: %s",
                run.message.job_id,
                reason,
                extra=run.delivery.facts,
            )
        self.ended(run, Lost(reason, run.losses))

    async def _charge(self, run: Run, reason: str) -> None:
        try:
            lose = transitions.lose(run.message.job_id, run.token, run.losses + 1)
            [reply] = await self._parts.client.store.apply([lose])
            run.losses = int(reply[1]) if reply[0] == b"ok" else run.losses
        except StoreUnavailable:
            run.losses += 1
        self.ended(run, Lost(reason, run.losses))

    def doubted(self, run: Run) -> None:
        """A run may not be this worker's any more: ask."""
        self._doubts.ask(run)

    def progressed(self, run: Run, report: bytes) -> None:
        """A run reported how far it is."""
        self._parts.settlement.show_progress(run, report)

    def asked_to_send(self, child: Child, frame: Frame) -> None:
        """Code inside a task submits jobs: publish them, and answer once they are confirmed."""
        submissions = child_backend.unpack(frame)
        self._track(self._send_for(child, frame.header["n"], submissions))

    async def _send_for(self, child: Child, number: int, submissions: list[Submission]) -> None:
        answers: list[str | WarrenerError]
        try:
            answers = await self._parts.client.submit(submissions)
        except WarrenerError as error:
            answers = [error] * len(submissions)
        except Exception as error:
            log.exception("a submission from inside a task failed")
            url = self._parts.settings.shown_amqp_url
            unknown = BrokerUnavailable(url=url, reason=repr(error), may_arrive=True)
            answers = [unknown] * len(submissions)
        packed = [child_backend.pack_answer(answer) for answer in answers]
        child.link.say(Kind.SENT, {"n": number, "answers": packed})

    def _track(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Signs of life -------------------------------------------------------------------------------

    async def _beat_children(self) -> None:
        while True:
            self._pool.beat()
            await asyncio.sleep(LIFELINE_BEAT)

    # The end -------------------------------------------------------------------------------------

    async def _finish(self, parts: Parts) -> None:
        """Take no more, let what runs finish within the grace, hand back the rest. Redis has
        `connect_timeout` before the grace and as much after it, for all that is said to it together: while
        it accepts and answers nothing, each call alone would take that three times."""
        loop, patience = asyncio.get_running_loop(), parts.settings.connect_timeout
        await parts.consumer.pause()
        await parts.intake.early.give_back()
        until = loop.time() + patience
        await parts.throttling.drain(until)
        await parts.intake.claims.drain(until)
        await parts.members.drain(until)
        async with _by(until, "what has not begun comes back once its claims lapse"):
            await self._hand_back(parts, self._pool.unstarted())
        self._doubts.stop()
        await self._until_idle(parts.settings.grace)
        until = loop.time() + patience
        # What has just lost its process goes back as well, charged once.
        async with _by(until, "lost processes are not charged"):
            await asyncio.gather(*self._charges)
        unfinished = await self._pool.stop()
        async with _by(until, "some deliveries are left to be delivered again"):
            await self._hand_back(parts, unfinished)
            await parts.settlement.drain()
            await parts.tally.add()
        parts.settlement.abandon()
        await asyncio.gather(parts.consumer.close(), self._listen_no_more())
        if self._beat is not None:
            self._beat.cancel()  # or it comes back while connections close
        until = max(until, loop.time() + LAST)  # a RabbitMQ that hangs takes nothing from Redis
        async with _by(until, "the presence is left to lapse"):
            await parts.board.leave(parts.presence)
        await parts.client.close(max(0.0, until - loop.time()))

    async def _listen_no_more(self) -> None:
        if self._listening is not None:
            # Before the connections that it opens its own beside: aiormq would end its calls with an
            # error of no kind.
            self._listening.cancel()
            await asyncio.wait({self._listening}, timeout=CLOSING)

    async def _hand_back(self, parts: Parts, runs: list[Run]) -> None:
        try:
            await parts.settlement.hand_back(runs)
        except StoreUnavailable as error:
            log.warning("%d job(s) come back once their claims lapse: %s", len(runs), error)

    async def _until_idle(self, grace: float) -> None:
        if running := self._pool.running:
            log.info("finishing %d job(s), within %g s", len(running), grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._pool.until_idle()


@contextlib.asynccontextmanager
async def _by(until: float, otherwise: str) -> AsyncGenerator[None]:
    """Speak to Redis, no longer than to this time of the loop."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except (TimeoutError, StoreUnavailable) as error:
        log.warning("Redis has not answered, and %s: %r", otherwise, error)
