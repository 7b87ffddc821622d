"""Workers that die between any two of their steps: all of a worker's own parts, on a store and a broker
that outlive it. What it had not acknowledged is delivered again."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fakeredis

from warrener import Job, Warrener
from warrener.client import Client
from warrener.errors import WarrenerError
from warrener.outgoing import Outgoing
from warrener.presence import PresenceBoard
from warrener.replaying import Replayer, ReplayReport
from warrener.selecting import ALL
from warrener.store import Call, Command, Store
from warrener.transitions import Reply, Runner
from warrener_workers import registry
from warrener_workers.advancing import Advancing
from warrener_workers.arrivals import Arrival
from warrener_workers.context import Context
from warrener_workers.deliveries import Delivery, Run
from warrener_workers.intake import Intake
from warrener_workers.members import Members
from warrener_workers.memory_broker import Clock, MemoryBroker
from warrener_workers.outcomes import Rerun, decide
from warrener_workers.running import Runtime, run_job
from warrener_workers.settlement import Settlement

SERVER = fakeredis.FakeServer()  # one for all: it remembers the scripts


class Crashed(BaseException):
    """The process is dead: nothing catches this, and nothing it does has an effect any more."""


ENDLESS = 3_000
"""Steps after which a life counts as one without end."""


class Fuse:
    """Counts the steps of a life, and ends it before or after one of them."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at = at
        self.after = after
        self.steps = 0
        self.dead = False

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """One step that others see."""
        self.steps += 1
        mine = self.at == self.steps
        if self.dead or (mine and not self.after) or self.steps > ENDLESS:
            self.dead = True
            raise Crashed
        yield
        if mine:
            self.dead = True
            raise Crashed


class _Store(Store):
    fuse = Fuse()

    async def call(self, calls: Sequence[Call], along: Sequence[Command] = ()) -> list[Reply]:
        with self.fuse.step():
            return await super().call(calls, along)


class _Tag:
    """Stands in for the channel of one delivery."""

    is_closed = False

    def __init__(self, broker: Broker, entry: Any, fuse: Fuse) -> None:
        self._broker, self._entry, self._fuse = broker, entry, fuse

    def acknowledge(self, tag: int) -> None:
        with self._fuse.step():
            self._broker.unsettled.remove(self._entry)

    def give_back(self, tag: int, *, requeue: bool) -> None:
        raise AssertionError("a worker gave back what it should have settled")


class Broker(MemoryBroker):
    """Keeps what is not acknowledged, and delivers some of it twice."""

    def __init__(self, *parts: Any, chance: random.Random, doubles: float) -> None:
        super().__init__(*parts)
        self._chance, self._doubles = chance, doubles
        self.unsettled: list[Any] = []
        self.fuse = Fuse()

    async def publish_many(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        with self.fuse.step():
            return await super().publish_many(outgoing)

    def redeliver(self) -> None:
        """A life is over: what it held comes again."""
        for queue, message in self.unsettled:
            self._publish(Outgoing(message, queue))
        self.unsettled = []

    def take_due(self) -> Iterator[Arrival]:
        found = list(super().take_due())
        found += [one for one in found if self._chance.random() < self._doubles]
        self._chance.shuffle(found)
        for given, message in found:
            entry = (given.queue, message)
            self.unsettled.append(entry)
            yield Delivery(given.message, given.queue, 1, _Tag(self, entry, self.fuse)), message


class Lives:
    """A store, a broker, and one worker after another."""

    def __init__(self, app: Warrener, seed: int = 0, doubles: float = 0.0) -> None:
        self.app = app
        self.clock = Clock()
        settings = app.settings
        self.chance = random.Random(seed)
        self.broker = Broker(settings, app.queues, self.clock, chance=self.chance, doubles=doubles)
        self.store = _Store(settings, fakeredis.FakeAsyncRedis(server=SERVER), self.clock)
        self.client = Client(
            settings, app.queues, store=self.store, publisher=self.broker, clock=self.clock
        )
        self._numbers = 0
        self._threads = ThreadPoolExecutor(1)

    async def __aenter__(self) -> Lives:
        self.light(Fuse())
        await self.store.client.flushall()
        self.app.use_backend(lambda: self.client)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.app.use_backend(None)
        self._threads.shutdown()

    def light(self, fuse: Fuse) -> Fuse:
        """This life's fuse."""
        self.store.fuse = self.broker.fuse = fuse
        return fuse

    async def live(self, fuse: Fuse) -> bool:
        """One life of a worker, until nothing is left to do; False if it died before."""
        # What a dead life leaves undone is no news.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        self.light(fuse)
        self._numbers += 1
        life = _Life(self, f"life-{self._numbers}", self._threads)
        try:
            await life.run()
        except Crashed:
            assert fuse.dead
        finally:
            await life.end()
        if not fuse.dead:
            return True
        # Its claims lapse.
        self.clock.now += 10 * self.app.settings.presence_lifetime
        self.broker.redeliver()
        return False

    async def to_the_end(self, *fuses: Fuse) -> int:
        """Lives with these fuses, and then one without; how many of them died."""
        died = 0
        for fuse in fuses:
            died += not await self.live(fuse)
        assert await self.live(Fuse())
        return died

    async def replay(self) -> ReplayReport:
        """All dead letters go back."""
        self.light(Fuse())
        return await Replayer(self.client, self.broker.one_pass).replay(self.app.queues[0], ALL)


class _Life:
    def __init__(self, lives: Lives, owner: str, threads: ThreadPoolExecutor) -> None:
        self._lives, settings = lives, lives.app.settings
        self._runtime = Runtime(lives.app, None, threads)
        context = Context(settings, lives.store, Runner(owner, owner), lives.clock)
        advancing = Advancing(lives.client)
        self._settlement = Settlement(context, lives.broker, follow_ups=advancing)
        self._members = Members(context, advancing.carrier, self._settlement.finish, self._dispatch)
        board = PresenceBoard(settings, lives.store)
        known = registry.parse(registry.describe(lives.app))
        self._intake = Intake(context, board, self._settlement, known, self._members.dispatch)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        lives = self._lives
        await self._run_due()
        while (due := lives.broker.next_due()) is not None:
            lives.clock.now = max(lives.clock.now, due)
            await self._run_due()

    async def _run_due(self) -> None:
        broker, fuse = self._lives.broker, self._lives.broker.fuse
        while not fuse.dead and (arrivals := list(broker.take_due())):
            self._intake.take(arrivals)
            await self._intake.claims.drain()
            await self._members.drain()
            while self._tasks:
                await asyncio.gather(*self._tasks)
            await self._settlement.drain()
        if fuse.dead:
            raise Crashed

    def _dispatch(self, run: Run) -> None:
        task = asyncio.get_running_loop().create_task(self._execute(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, run: Run) -> None:
        message, lives = run.message, self._lives
        job: Job[Any] = Job(
            id=message.job_id,
            resources=None,
            task=message.task,
            queue=run.delivery.queue,
            attempt=message.attempt,
            generation=message.generation,
            created=message.created,
        )
        body = message.body if run.body is None else run.body
        outcome = await run_job(self._runtime, job, body)
        if lives.broker.fuse.dead:
            return
        grace = lives.app.settings.unknown_task_grace
        decision = decide(outcome, message, run.spec, lives.clock.now, grace, lambda low, high: 0.0)
        assert not isinstance(decision, Rerun)
        self._settlement.finish(run, decision)

    async def end(self) -> None:
        self._settlement.abandon()
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
