"""Beat on real nodes: each tick is one job, whatever dies, is paused, or is restarted."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import Running, running_worker
from warrener import Warrener, every
from warrener.client import Client
from warrener.schedules import Definition, ScheduleBook, tick_id
from warrener_workers.beat import LEASE, Beat
from warrener_workers.nodes import RabbitNode, private_redis

from . import beats
from .conftest import QUEUE, Yard, until, until_true

APP = "tests.integration.beats:app"
NAME = "each-second"


@asynccontextmanager
async def _a_worker(yard: Yard) -> AsyncIterator[None]:
    more = yard.environment
    urls = more.pop("WARRENER_AMQP_URL"), more.pop("WARRENER_REDIS_URL")
    async with running_worker(APP, [QUEUE], *urls, **more):
        yield


async def _leader(yard: Yard, running: dict[str, Running]) -> Running:
    """The one that leads, once one of these does."""
    book = ScheduleBook(yard.app.settings, yard.client.store)
    found: list[Running] = []

    async def one_leads() -> bool:
        who = await book.leader()
        found[:] = [one for pid, one in running.items() if who and who.endswith(f" {pid}")]
        return bool(found)

    await until_true(one_leads, "one of these beats leads")
    return found[0]


async def _fired(yard: Yard) -> int:
    book = ScheduleBook(yard.app.settings, yard.client.store)
    names = [schedule.definition.name for schedule in await book.all()]
    return (await book.find(NAME)).fired or 0 if NAME in names else 0


async def _ticks_on(yard: Yard, seconds: int) -> int:
    """The last tick that was submitted, once so many more seconds have had theirs."""
    wanted = max(await _fired(yard), int(time.time())) + seconds

    async def reached() -> bool:
        return await _fired(yard) >= wanted

    await until_true(reached, f"the tick of {wanted} is submitted")
    return wanted


async def _each_tick_ran_once(yard: Yard, first: int, last: int) -> None:
    ids = [tick_id("warrener", NAME, due) for due in range(first, last + 1)]
    await yard.ended(*ids)
    noted = [line.split()[1] for line in yard.events() if line.startswith("tick ")]
    assert len(noted) == len(set(noted)), "a tick ran twice"
    assert set(ids) <= set(noted)
    # And nothing ran that is no tick: each is one of the seconds around.
    around = {tick_id("warrener", NAME, due) for due in range(first - 60, last + 60)}
    assert set(noted) <= around


async def test_three_beats_of_which_one_is_killed_and_one_is_paused(yard: Yard) -> None:
    async with AsyncExitStack() as stack, _a_worker(yard):
        started = [
            await stack.enter_async_context(yard.running("beat", "--app", APP)) for _ in range(3)
        ]
        living = {str(one.process.pid): one for one in started}
        first_leader = await _leader(yard, living)
        await _ticks_on(yard, 1)
        first = await _fired(yard)
        first_leader.kill()
        del living[str(first_leader.process.pid)]
        killed = time.monotonic()
        second_leader = await _leader(yard, living)
        print(f"another beat led {time.monotonic() - killed:.1f} s after the kill")
        await _ticks_on(yard, 2)
        second_leader.kill(signal.SIGSTOP)
        try:
            del living[str(second_leader.process.pid)]
            third_leader = await _leader(yard, living)
            assert third_leader is not second_leader
            await _ticks_on(yard, 2)
        finally:
            second_leader.kill(signal.SIGCONT)
        last = await _ticks_on(yard, 3)
        await _each_tick_ran_once(yard, first, last)


async def test_a_beat_that_is_stopped_lets_another_lead_at_once(yard: Yard) -> None:
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(yard.running("beat", "--app", APP)) for _ in range(2)
        ]
        living = {str(one.process.pid): one for one in started}
        leader = await _leader(yard, living)
        leader.kill(signal.SIGTERM)
        assert await leader.ended() == 0
        del living[str(leader.process.pid)]
        lease = ScheduleBook(yard.app.settings, yard.client.store).lease
        assert await yard.client.store.client.pttl(lease) < LEASE * 1000
        await _leader(yard, living)


async def _is_empty(yard: Yard) -> bool:
    return not await yard.waiting(QUEUE)


class _Killed(BaseException):
    """Stands for the end of the process."""


class _Steps:
    """Ends a beat before or after its nth step."""

    def __init__(self, end_at: int) -> None:
        self.count = 0
        self.end_at = end_at

    def wrap(self, owner: Any, name: str, patch: pytest.MonkeyPatch) -> None:
        call = getattr(owner, name)

        async def stepped(*args: Any, **kwargs: Any) -> Any:
            self._step()
            answer = await call(*args, **kwargs)
            self._step()
            return answer

        patch.setattr(owner, name, stepped)

    def _step(self) -> None:
        self.count += 1
        if self.count == self.end_at:
            raise _Killed


class _Stand:
    """A beat of this process, on a clock that the test sets."""

    def __init__(self, yard: Yard) -> None:
        self.app = Warrener(settings=yard.app.settings)
        self.app.task(name="yard.note")(_noted)
        self.now = 1_777_636_800.0
        self.client = Client(yard.app.settings, [QUEUE], clock=lambda: self.now)
        self.app.use_backend(lambda: self.client)
        self.beat = Beat(self.app, self.client, lambda: 0.0)
        self.book = self.beat._book

    async def __aenter__(self) -> _Stand:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def go(self) -> None:
        """Take the lease, and look once."""
        await self.beat.lead()
        await self.beat.look()


async def _noted() -> None: ...


STEPS = 10  # lead, read, read, publish and confirm, record: before and after each


@pytest.mark.parametrize("end_at", range(1, STEPS + 1))
async def test_a_crash_at_each_step_leaves_one_job_a_tick(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, end_at: int
) -> None:
    async with _Stand(yard) as first, _Stand(yard) as second:
        due = int(first.now) + 60
        await first.book.add(
            Definition("m", every(minutes=1), "yard.note", overlap="skip"), first.now
        )
        first.now = second.now = due + 1.0
        steps = _Steps(end_at)
        with monkeypatch.context() as patch:
            steps.wrap(first.book, "lead", patch)
            steps.wrap(first.book, "everything", patch)
            steps.wrap(first.client.publisher, "publish_many", patch)
            steps.wrap(first.book, "record", patch)
            with pytest.raises(_Killed):
                await first.go()
        assert steps.count == end_at
        # Its lease lapses.
        await first.client.store.client.delete(first.book.lease)
        await second.beat.lead()
        await second.beat.look()
        schedule = await second.book.find("m")
        job_id = tick_id("warrener", "m", due)
        assert (schedule.fired, schedule.job_id, schedule.last) == (due, job_id, due)
        # However often it was published: it is one id, so that it runs once.
        published = [message.correlation_id for message in await yard.waiting(QUEUE)]
        assert set(published) == {job_id}
        assert len(published) == (2 if end_at in (8, 9) else 1)


async def test_a_leader_that_wakes_up_late_submits_and_changes_nothing(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was paused right before its publish, when it had already seen that it leads."""
    async with yard.worker(), _Stand(yard) as old, _Stand(yard) as new:
        name = Definition("m", every(minutes=1), "tests.integration.yard.run", [], {"name": "m"})
        await old.book.add(name, old.now)
        old.now = new.now = old.now + 61
        woken, publish = asyncio.Event(), old.client.publisher.publish_many

        async def paused(*args: Any) -> Any:
            await woken.wait()
            return await publish(*args)

        monkeypatch.setattr(old.client.publisher, "publish_many", paused)
        await old.beat.lead()
        looking = asyncio.create_task(old.beat.look())
        await old.client.store.client.delete(old.book.lease)
        await new.beat.lead()
        await new.beat.look()
        new.now += 60
        await new.beat.look()
        before = await new.book.find("m")
        ids = [tick_id("warrener", "m", int(new.now) // 60 * 60 - ago) for ago in (0, 60)]
        await yard.ended(*ids)
        woken.set()
        await looking
        assert await new.book.find("m") == before
        await until(lambda: len(yard.events("m")) >= 4, "both ticks ran")
        # The second copy is acknowledged without a run.
        await until_true(lambda: _is_empty(yard), "the queue is empty")
        assert yard.events("m") == ["start m", "end m"] * 2


@pytest.mark.parametrize("state, runs", [("PENDING", 1), ("SUCCESS", 2), ("FAILURE", 2), ("", 2)])
async def test_overlap_is_decided_from_the_record_of_the_tick_before(
    yard: Yard, state: str, runs: int
) -> None:
    """A job that has not ended overlaps; one whose record is lost counts as ended."""
    async with _Stand(yard) as stand:
        await stand.book.add(
            Definition("m", every(minutes=1), "yard.note", overlap="skip"), stand.now
        )
        await stand.beat.lead()
        stand.now += 60
        await stand.beat.look()
        record = stand.client.store.keys.job(tick_id("warrener", "m", int(stand.now)))
        redis: Any = stand.client.store.client
        assert await redis.hget(record, "state") == b"PENDING"
        if state:
            await redis.hset(record, "state", state)
        else:
            await redis.delete(record)
        stand.now += 60
        await stand.beat.look()
        assert len(await yard.waiting(QUEUE)) == runs
        assert (await stand.book.find("m")).last == stand.now


async def test_one_in_code_stays_paused_whichever_beat_leads(yard: Yard) -> None:
    """Each beat that begins to lead writes what is in code once more."""
    async with _Stand(yard) as first, _Stand(yard) as second:
        for stand in (first, second):
            task = stand.app.tasks["yard.note"]
            stand.app.schedule("m", every(minutes=1), task.s())
        await first.go()
        first.now = second.now = first.now + 60
        await first.beat.look()
        assert len(await yard.waiting(QUEUE)) == 1
        assert (await first.book.find("m")).in_code
        await first.book.pause("m", first.now, paused=True)
        await first.client.store.client.delete(first.book.lease)
        second.now += 60
        await second.go()
        assert (await second.book.find("m")).paused
        assert len(await yard.waiting(QUEUE)) == 1
        # Ticks of a pause are not made up for.
        await second.book.pause("m", second.now, paused=False)
        await second.beat.look()
        assert len(await yard.waiting(QUEUE)) == 1
        second.now += 60
        await second.beat.look()
        assert len(await yard.waiting(QUEUE)) == 2


async def test_one_that_leaves_the_code_leaves_the_store(yard: Yard) -> None:
    async with _Stand(yard) as before, _Stand(yard) as after:
        before.app.schedule("m", every(minutes=1), before.app.tasks["yard.note"].s())
        await before.go()
        await before.book.add(Definition("kept", every(hours=1), "yard.note"), before.now)
        await before.client.store.client.delete(before.book.lease)
        await after.go()
        assert [one.definition.name for one in await after.book.all()] == ["kept"]


async def test_a_redis_that_restarts_costs_no_tick_and_doubles_none(
    rabbit: RabbitNode, amqp_url: str, tmp_path: Path
) -> None:
    with private_redis(tmp_path / "redis") as node:
        yard = Yard(rabbit, amqp_url, node.url, tmp_path)
        async with _a_worker(yard), yard.running("beat", "--app", APP) as beat:
            await _ticks_on(yard, 1)
            first = last = await _fired(yard)
            for _ in range(2):
                node.kill()
                await beat.says("nothing is submitted: ")
                beat.lines.clear()
                node.start()
                last = await _ticks_on(yard, 2)
            await _each_tick_ran_once(yard, first, last)
            beat.kill(signal.SIGTERM)
            assert await beat.ended() == 0
        await yard.app.close()


def test_the_app_here_has_one_schedule() -> None:
    assert list(beats.app.definitions) == [NAME]
