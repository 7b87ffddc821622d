"""Testing an app without RabbitMQ: what the fixture `warrener_test` gives.

Only the broker and the child processes are stood in for. Validation, the store's scripts (on fakeredis),
claims, retry decisions and settlement are the worker's own code, and the contract suite that this double
passes is the one that real parts pass. Time is the test's: nothing waits.

Not enforced here: time limits, lost processes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic_core import from_json

from warrener import Job, JobStatus, Task, WaitInsideJob, Warrener
from warrener.catalogue import Catalogue
from warrener.client import Client
from warrener.dead_letters import DeadLetter
from warrener.errors import WarrenerError
from warrener.flow import Flow
from warrener.letter_index import DeadLetterIndex
from warrener.presence import PresenceBoard
from warrener.replaying import Replayer, ReplayReport
from warrener.selecting import Selection
from warrener.store import Store
from warrener.submissions import Submission
from warrener.transitions import Runner

from . import registry
from .advancing import Advancing
from .beat import Beat
from .context import Context
from .deliveries import Run
from .intake import Intake
from .members import Members
from .memory_broker import Clock, MemoryBroker
from .outcomes import Rerun, decide
from .running import Runtime, current_job, run_job
from .settlement import Settlement
from .throttling import Throttling

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """A job that was submitted in this test."""

    id: str
    queue: str
    delay: float
    arguments: dict[str, Any]
    """By name, as JSON values."""


class _TestClient(Client):
    """The producer's side, which runs what is waited for."""

    def __init__(self, test: WarrenerTest, **parts: Any) -> None:
        super().__init__(**parts)
        self._test = test

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        answers = await super().submit(submissions)
        for submission, answer in zip(submissions, answers, strict=True):
            if isinstance(answer, str):
                self._test.note(submission, answer)
        return answers

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        status = await self.status(job_id)
        if status is None or status.is_terminal:
            return status
        if current_job.get() is not None:
            raise WaitInsideJob(job_id=job_id)
        await self._test.drain()
        return await self.status(job_id)

    async def until(
        self, look: Callable[[], Awaitable[T | None]], name: str, timeout: float | None
    ) -> T | None:
        if (found := await look()) is not None:
            return found
        if current_job.get() is not None:
            raise WaitInsideJob(job_id=name)
        await self._test.drain()
        return await look()


class WarrenerTest:
    """What the fixture `warrener_test` gives."""

    def __init__(self, app: Warrener) -> None:
        from fakeredis import FakeAsyncRedis

        self.app = app
        self.clock = Clock()
        settings = app.settings
        self._broker = MemoryBroker(settings, app.queues, self.clock)
        self._store = Store(settings, FakeAsyncRedis(), self.clock)
        self._client = _TestClient(
            self,
            settings=settings,
            queues=app.queues,
            store=self._store,
            publisher=self._broker,
            clock=self.clock,
        )
        context = Context(settings, self._store, Runner("test", "test"), self.clock)
        advancing = Advancing(self._client)
        self._settlement = Settlement(context, self._broker, follow_ups=advancing)
        self._members = Members(context, advancing.carrier, self._settlement.finish, self._dispatch)
        known = registry.parse(registry.describe(app))
        self._published = known.catalogue
        board = PresenceBoard(settings, self._store)
        self._intake = Intake(context, board, self._settlement, known, self._members.dispatch)
        flow = Flow(settings, self._store, self.clock)
        self._throttling = Throttling(context, flow, known, self._settlement, self._intake.admit)
        self._intake.admit = self._throttling.admit
        self._runs: set[asyncio.Task[None]] = set()
        self._sent: list[tuple[str, Sent]] = []
        self._draining = asyncio.Lock()
        self._runtime: Runtime
        self._the_beat: Beat | None = None

    @contextlib.asynccontextmanager
    async def installed(self) -> AsyncIterator[WarrenerTest]:
        """The app sends through the double, and its lifespan is entered."""
        self.app.use_backend(lambda: self._client)
        self.app.portal.adopt(asyncio.get_running_loop())
        async with contextlib.AsyncExitStack() as stack:
            resources = None
            if self.app.lifespan is not None:
                resources = await stack.enter_async_context(self.app.lifespan())
            await Catalogue(self.app.settings, self._store).publish(self._published)
            threads = stack.enter_context(ThreadPoolExecutor(thread_name_prefix="job"))
            self._runtime = Runtime(self.app, resources, threads)
            try:
                yield self
            finally:
                self.app.portal.release()
                self.app.use_backend(None)

    # What tests ask ------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The test's time, in Unix seconds."""
        return self.clock.now

    async def drain(self) -> None:
        """Run every job, those that wait for their time included: the clock moves to each."""
        async with self._draining:
            await self._run_due()
            while (due := self._broker.next_due()) is not None:
                self.clock.now = max(self.clock.now, due)
                await self._run_due()

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, and run what becomes due meanwhile, the app's schedules included: they
        count from the first advance() on."""
        async with self._draining:
            end = self.clock.now + seconds
            tick = await self._beat()
            await self._run_due()
            while (due := min(filter(None, (self._broker.next_due(), tick)), default=end)) <= end:
                self.clock.now = max(self.clock.now, due)
                tick = await self._beat()
                await self._run_due()
                if self.clock.now >= end:
                    break
            self.clock.now = end

    async def _beat(self) -> float | None:
        """Submit what is scheduled for now; when the next tick is due, if there is any schedule."""
        if not self.app.schedules:
            return None
        beat = self._the_beat = self._the_beat or Beat(self.app, self._client, lambda: 0.0)
        await beat.lead()
        await beat.look()
        return await beat.next_due()

    def sent(self, task: Task[..., Any] | str) -> list[Sent]:
        """The jobs of this task that were submitted, by the test or by other jobs."""
        name = task if isinstance(task, str) else task.name
        return [sent for of_task, sent in self._sent if of_task == name]

    async def dead(self, queue: str) -> list[DeadLetter]:
        """The dead letters of a queue, the newest first."""
        return await DeadLetterIndex(self.app.settings, self._store).page(queue)

    async def replay(
        self, queue: str, selection: Selection, *, limit: int | None = None, dry_run: bool = False
    ) -> ReplayReport:
        """Replay dead letters of a queue, at most `limit`: they run at the next drain() or advance()."""
        replayer = Replayer(self._client, self._broker.one_pass)
        return await replayer.replay(queue, selection, limit=limit, dry_run=dry_run)

    def note(self, submission: Submission, job_id: str) -> None:
        """A job was submitted."""
        arguments = from_json(submission.body)["kwargs"]
        delay = submission.delay(self.clock.now)
        self._sent.append((submission.task, Sent(job_id, submission.queue, delay, arguments)))

    # The worker's part ---------------------------------------------------------------------------

    async def _run_due(self) -> None:
        while arrivals := list(self._broker.take_due()):
            self._intake.take(arrivals)
            await self._throttling.drain()
            await self._intake.claims.drain()
            await self._members.drain()
            while self._runs:
                await asyncio.gather(*self._runs)
            await self._settlement.drain()
            await self._throttling.drain()

    def _dispatch(self, run: Run) -> None:
        task = asyncio.get_running_loop().create_task(self._execute(run))
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)

    async def _execute(self, run: Run) -> None:
        message = run.message
        job: Job[Any] = Job(
            id=message.job_id,
            resources=self._runtime.resources,
            task=message.task,
            queue=run.delivery.queue,
            attempt=message.attempt,
            generation=message.generation,
            created=message.created,
            show=lambda report: self._settlement.show_progress(run, orjson.dumps(report)),
        )
        outcome = await run_job(self._runtime, job, message.body if run.body is None else run.body)
        now, grace = self.clock.now, self.app.settings.unknown_task_grace
        decision = decide(outcome, message, run.spec, now, grace, lambda low, high: 0.0)
        assert not isinstance(decision, Rerun), "nothing is lost in the double"
        self._settlement.finish(run, decision)
