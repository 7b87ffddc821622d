"""What beat and its scripts keep to, on the double: who leads, what is paused, changed or removed, and what
becomes of a tick whose submission fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from warrener import Unique, Warrener, every
from warrener.client import Client
from warrener.schedules import Definition, ScheduleBook, tick_id
from warrener.tasks import Task
from warrener_workers.beat import LEASE, Beat
from warrener_workers.testing import WarrenerTest

MINUTELY = every(minutes=1)
M = Definition("m", MINUTELY, "note")


class Bench:
    """Beats on one store, whose clocks stand until the test moves them."""

    def __init__(self, test: WarrenerTest, app: Warrener, note: Task[..., Any]) -> None:
        self.test, self.app, self.note = test, app, note
        client = app.backend()
        assert isinstance(client, Client)
        self.client = client
        self.book = ScheduleBook(app.settings, client.store)
        self.steady = 100.0
        self.first, self.second = self.beat(), self.beat()

    def beat(self) -> Beat:
        return Beat(self.app, self.client, lambda: self.steady)

    async def minutes(self, count: int, beat: Beat | None = None) -> None:
        """Let so many minutes pass, at the end of which a beat looks."""
        self.test.clock.now += 60.0 * count
        await (beat or self.first).look()

    @property
    def due(self) -> int:
        """The last tick of a minute that was due."""
        return int(self.test.now) // 60 * 60

    def sent(self) -> list[str]:
        return [job.id for job in self.test.sent(self.note)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    app = Warrener(default_queue="q")

    @app.task(name="note")
    async def note(name: str = "") -> None: ...

    @app.task(name="once", unique=Unique(on_duplicate="error"))
    async def once() -> None: ...

    async with WarrenerTest(app).installed() as test:
        it = Bench(test, app, note)
        await it.first.lead()
        yield it


async def test_one_leads_and_knows_when_it_no_longer_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.second.lead()
    assert (bench.first.leads, bench.second.leads) == (True, False)
    # Its lease counts from before it asked, however long the answer took.
    lead = bench.first._book.lead

    async def late(*args: Any) -> str:
        answer = await lead(*args)
        bench.steady += LEASE
        return answer

    monkeypatch.setattr(bench.first._book, "lead", late)
    await bench.first.lead()
    assert not bench.first.leads


async def test_who_no_longer_leads_submits_and_records_nothing(bench: Bench) -> None:
    await bench.book.add(M, bench.test.now)
    bench.steady += LEASE
    await bench.minutes(1)
    assert bench.sent() == []
    assert (await bench.book.find("m")).fired is None


async def test_who_did_not_lead_resigns_for_nobody(bench: Bench) -> None:
    await bench.book.resign(bench.second._token)
    await bench.second.lead()
    assert (bench.first.leads, bench.second.leads) == (True, False)
    await bench.book.resign(bench.first._token)
    await bench.second.lead()
    await bench.first.lead()
    assert (bench.first.leads, bench.second.leads) == (False, True)


async def test_what_is_recorded_never_goes_back(bench: Bench) -> None:
    await bench.book.add(replace(M, overlap="queue"), bench.test.now)
    await bench.minutes(2)
    before = await bench.book.find("m")
    facts: Any = {"fired": bench.due - 60, "job_id": "old", "held": before.held}
    assert await bench.book.record(bench.first._token, "m", bench.due - 60, **facts)
    assert await bench.book.find("m") == before
    # Who does not lead changes nothing at all.
    facts = {"fired": bench.due + 60, "job_id": "new", "held": bench.due}
    assert not await bench.book.record(bench.second._token, "m", bench.due + 60, **facts)
    assert await bench.book.find("m") == before


async def test_a_pause_is_not_made_up_for(bench: Bench) -> None:
    await bench.book.add(replace(M, missed=100), bench.test.now)
    await bench.book.pause("m", bench.test.now, paused=True)
    await bench.minutes(5)
    assert bench.sent() == []
    await bench.book.pause("m", bench.test.now, paused=False)
    # Resumed again, or though it was not paused, it loses no tick.
    await bench.minutes(0)
    assert bench.sent() == []
    bench.test.clock.now += 60
    await bench.book.pause("m", bench.test.now, paused=False)
    await bench.minutes(0)
    assert bench.sent() == [tick_id("warrener", "m", bench.due)]


async def test_a_tick_that_waits_for_its_predecessor_is_gone_after_a_pause_or_another_timing(
    bench: Bench,
) -> None:
    for change in ("pause", "timing"):
        await bench.book.add(replace(M, overlap="queue"), bench.test.now)
        await bench.minutes(1)
        await bench.minutes(1)
        assert (await bench.book.find("m")).held == bench.due
        if change == "pause":
            await bench.book.pause("m", bench.test.now, paused=True)
            await bench.book.pause("m", bench.test.now, paused=False)
        else:
            changed = replace(M, overlap="queue", timing=every(hours=1))
            await bench.book.change(changed, bench.test.now)
        assert (await bench.book.find("m")).held is None
        await bench.book.remove("m")


async def test_another_timing_counts_from_when_it_is_known_and_other_arguments_lose_no_tick(
    bench: Bench,
) -> None:
    await bench.book.add(replace(M, timing=every(hours=1), missed=100), bench.test.now)
    bench.test.clock.now += 600
    await bench.book.change(replace(M, missed=100), bench.test.now)
    await bench.minutes(0)
    assert bench.sent() == []
    bench.test.clock.now += 60
    await bench.book.change(replace(M, missed=100, args=["other"]), bench.test.now)
    await bench.minutes(0)
    [job] = bench.test.sent(bench.note)
    assert job.arguments == {"name": "other"}


async def test_one_that_was_removed_does_not_come_back(bench: Bench) -> None:
    await bench.book.add(replace(M, missed=100), bench.test.now)
    await bench.minutes(1)
    await bench.book.remove("m")
    # A beat that was about to write down a tick.
    facts: Any = {"fired": bench.due + 600, "job_id": "old", "held": bench.due}
    await bench.book.record(bench.first._token, "m", bench.due + 600, **facts)
    await bench.minutes(2)
    assert await bench.book.all() == []
    assert len(bench.sent()) == 1
    # Another one of that name has nothing of it.
    await bench.book.add(M, bench.test.now)
    found = await bench.book.find("m")
    assert (found.fired, found.job_id, found.held, found.last) == (None, None, None, bench.test.now)


async def test_what_is_in_code_counts_for_each_beat_that_begins_to_lead(bench: Bench) -> None:
    await bench.first.look()
    await bench.book.add(Definition("made", every(hours=1), "note"), bench.test.now)
    other = Warrener(default_queue="q")
    other.task(name="note")(bench.note.function)
    other.schedule("coded", MINUTELY, other.tasks["note"].s("other"))
    another = Beat(other, bench.client, lambda: bench.steady)
    await bench.book.resign(bench.first._token)
    await another.lead()
    await another.look()
    names = {one.definition.name: one.in_code for one in await bench.book.all()}
    assert names == {"made": False, "coded": True}
    # The first one, which has nothing in code, leads once more.
    await bench.first.lead()
    await bench.book.resign(another._token)
    await bench.first.lead()
    await bench.first.look()
    assert [one.definition.name for one in await bench.book.all()] == ["made"]


async def test_one_that_cannot_be_submitted_holds_up_no_other_and_is_tried_again(
    bench: Bench,
) -> None:
    await bench.book.add(Definition("a", MINUTELY, "note", queue="nowhere"), bench.test.now)
    await bench.book.add(M, bench.test.now)
    await bench.minutes(1)
    assert len(bench.sent()) == 1
    assert (await bench.book.find("a")).fired is None
    await bench.book.change(Definition("a", MINUTELY, "note"), bench.test.now)
    await bench.minutes(0)
    assert bench.sent()[1:] == [tick_id("warrener", "a", bench.due)]


async def test_a_tick_whose_unique_job_is_there_is_done_with(bench: Bench) -> None:
    await bench.book.add(Definition("u", MINUTELY, "once"), bench.test.now)
    for _ in range(2):
        await bench.minutes(1)
        assert (await bench.book.find("u")).last == bench.due


async def test_its_jobs_have_the_queue_and_the_expiry_that_it_says(bench: Bench) -> None:
    await bench.book.add(replace(M, expires=30.0), bench.test.now)
    await bench.minutes(1)
    bench.test.clock.now += 31
    await bench.test.drain()
    [job_id] = bench.sent()
    status = await bench.app.job(job_id).status()
    assert (status.state, status.reason) == ("REVOKED", "expired")


async def test_of_many_late_ticks_those_before_a_crash_are_done_with(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.book.add(replace(M, missed=100), bench.test.now)
    submit = bench.client.submit

    async def breaks(submissions: Any) -> Any:
        if len(bench.sent()) == 2:
            raise RuntimeError
        return await submit(submissions)

    monkeypatch.setattr(bench.client, "submit", breaks)
    with pytest.raises(RuntimeError):
        await bench.minutes(5)
    found = await bench.book.find("m")
    assert (found.last, found.fired) == (bench.due - 180, bench.due - 180)
