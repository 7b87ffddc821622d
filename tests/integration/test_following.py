"""Following on real nodes: jobs as they change, workers as they come and go, and one job to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from tests.support import PATIENCE
from warrener import CursorError, State
from warrener.events import KEPT, Event, stream, told
from warrener.following import Followed, Following, Missed
from warrener_workers.nodes.ports import free_ports

from . import yard as tasks
from .conftest import QUEUE, Yard, until


class Heard:
    """What a follower has heard so far."""

    def __init__(self) -> None:
        self.all: list[Followed | Missed] = []
        self.follows = asyncio.Event()

    @property
    def events(self) -> list[Event]:
        return [one.event for one in self.all if isinstance(one, Followed)]

    def states(self, job_id: str) -> list[str]:
        """The states of one job from its schedule or first run on, without its reports, in the order of
        their times: events of two processes may come in another one."""
        # Its submission is told once it is recorded: late, or not at all, if a worker was quicker.
        found = sorted(
            (e for e in self.events if e.id == job_id and e.state != "PENDING"),
            key=lambda event: event.at,
        )
        return [event.state for event in found if event.progress is None]

    async def until(self, check: Callable[[Heard], bool], what: str) -> None:
        await until(lambda: check(self), what)


@asynccontextmanager
async def follower(yard: Yard, after: str = "") -> AsyncIterator[Heard]:
    """One that follows, and has begun to."""
    heard = Heard()

    async def follow() -> None:
        async for one in Following(yard.client).all(after):
            if one is not None:
                heard.all.append(one)
            heard.follows.set()

    following = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(PATIENCE):
            await heard.follows.wait()
        yield heard
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_all_that_happens_is_told_to_whoever_follows(yard: Yard) -> None:
    async with follower(yard) as heard, yard.worker("--name", "one"):
        job = await tasks.fails.send("twice", 1)
        dead = await tasks.broken.send("dead")
        held = await tasks.wait.send("held", "never")
        waits = await tasks.run.options(countdown=900).send("waits")
        counted = await tasks.counts.send("counted", 3)
        await heard.until(lambda h: h.states(held.id)[-1:] == ["STARTED"], "it has begun")
        assert await waits.revoke()
        assert not await held.revoke()
        await yard.ended(job, dead, held, counted)
        ends = {job: "SUCCESS", dead: "FAILURE", held: "REVOKED", waits: "REVOKED"}
        for one, end in [*ends.items(), (counted, "SUCCESS")]:
            await until(lambda i=one.id, e=end: heard.states(i)[-1:] == [e], f"{end} of {one}")  # type: ignore[misc]
        whole = ["STARTED", "RETRY", "STARTED", "SUCCESS"]
        await until(lambda: heard.states(job.id) == whole, "all of the job")
        assert heard.states(waits.id) == ["SCHEDULED", "REVOKED"]
        reports = [e.progress for e in heard.events if e.id == counted.id and e.progress]
        assert orjson.loads(reports[-1]) == {"done": 3, "total": 3, "note": "counted"}
        [began] = [e for e in heard.events if e.id == held.id and e.state == "STARTED"]
        assert (began.task, began.queue, began.worker) == (tasks.wait.name, QUEUE, "one")
        await heard.until(lambda h: _did(h) == {("came", "one")}, "the worker came")


async def test_a_submission_that_no_worker_overtakes_is_told(yard: Yard) -> None:
    async with follower(yard) as heard, yard.worker("-c", "1"):
        held = await tasks.wait.send("held", "gate")
        await heard.until(lambda h: h.states(held.id) == ["STARTED"], "the only slot is taken")
        job = await tasks.run.send("queued")

        def told(heard: Heard) -> bool:
            return "PENDING" in [event.state for event in heard.events if event.id == job.id]

        await heard.until(told, "it waits")
        yard.open("gate")
        await yard.ended(held, job)


async def test_workers_that_leave_and_that_are_lost_are_told_apart(yard: Yard) -> None:
    yard.app.settings = yard.app.settings.model_copy(update={"beat": 0.6})  # as the workers'
    async with (
        follower(yard) as heard,
        yard.worker("--name", "leaves") as leaves,
        yard.worker("--name", "dies") as dies,
    ):
        came = {("came", "leaves"), ("came", "dies")}
        await heard.until(lambda h: _did(h) >= came, "both")
        leaves.kill(signal.SIGTERM)
        await heard.until(lambda h: ("left", "leaves") in _did(h), "one left")
        dies.kill()
        await heard.until(lambda h: ("lost", "dies") in _did(h), "one is lost")


def _did(heard: Heard) -> set[tuple[str, str]]:
    return {(event.state, event.id) for event in heard.events if event.kind == "worker"}


async def test_one_that_comes_back_has_missed_nothing(yard: Yard) -> None:
    async with yard.worker():
        async with follower(yard) as first:
            await yard.ended(await tasks.run.options(id="before").send("before"))
            await first.until(lambda h: h.states("before")[-1:] == ["SUCCESS"], "before")
            [*_, last] = [one for one in first.all if isinstance(one, Followed)]
        await yard.ended(await tasks.run.options(id="meanwhile").send("meanwhile"))
        async with follower(yard, last.place) as second:
            whole = ["STARTED", "SUCCESS"]
            await second.until(lambda h: h.states("meanwhile") == whole, "meanwhile")
            assert second.states("before") == []
            assert not any(isinstance(one, Missed) for one in second.all)


async def test_one_that_comes_back_too_late_is_told_so(yard: Yard) -> None:
    store = yard.client.store
    event = Event(1.0, "job", "old", "STARTED")
    async with follower(yard) as first:
        await store.send(told("warrener", [event]))
        await first.until(lambda h: h.states("old") != [], "the old one")
        place = first.all[0].place
    await store.send([c for _ in range(3 * KEPT) for c in told("warrener", [event])])
    assert await store.client.xlen(stream("warrener")) < 2 * KEPT, "the stream is bounded"
    async with follower(yard, place) as second:
        await second.until(lambda h: len(h.all) > 1, "events")
        assert isinstance(second.all[0], Missed)
    with pytest.raises(CursorError):
        await anext(Following(yard.client).all("yesterday"))


async def test_nothing_is_told_while_nobody_follows(yard: Yard) -> None:
    async with yard.worker():
        await yard.ended(*[await tasks.run.send(f"job-{n}") for n in range(3)])
    assert await yard.client.store.client.exists(stream("warrener")) == 0


async def test_a_job_is_followed_to_its_end_and_its_last_report_is_kept(yard: Yard) -> None:
    """However fast the reports come, the last one before the end stays in the record."""
    async with yard.worker():
        job = await tasks.counts.send("counted", 2_000)
        seen = [status async for status in Following(yard.client).job(job.id) if status]
        assert seen[-1].state is State.SUCCESS
        assert seen[-1].progress == {"done": 2_000, "total": 2_000, "note": "counted"}
        held = await tasks.reports.send("held", "gate")
        states: list[tuple[State, object]] = []
        async for status in Following(yard.client).job(held.id):
            if status is not None:
                states.append((status.state, status.progress))
                if status.progress:
                    yard.open("gate")
    report = {"done": 3, "total": 4, "note": "nearly"}
    assert states[-2:] == [(State.STARTED, report), (State.SUCCESS, report)]


async def test_server_sent_events_go_on_until_the_end(yard: Yard) -> None:
    """Over HTTP, of a real server: a job's own, and all; and the server stops although one listens."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = ("api", "--app", "tests.integration.yard:app", "--port", str(port))
    async with (
        yard.worker(),
        yard.running(*arguments) as api,
        httpx.AsyncClient(timeout=30) as http,
    ):
        await api.says("the API answers")
        job = await tasks.reports.send("held", "gate")
        async with http.stream("GET", f"{url}/events", params={"queue": QUEUE}) as all_events:
            assert all_events.headers["content-type"].startswith("text/event-stream")
            lines = all_events.aiter_lines()
            assert await anext(lines) == ": here"
            async with http.stream("GET", f"{url}/jobs/{job.id}/events") as events:
                names = []
                async for line in events.aiter_lines():
                    if line.startswith("data: ") and '"nearly"' in line:
                        yard.open("gate")
                    names += [line.removeprefix("event: ")] if line.startswith("event: ") else []
                assert names[-1] == "end", "and then the server ended it"
                assert set(names[:-1]) == {"job"}
            other = await tasks.run.send("other")
            async for line in lines:
                if line.startswith("data: ") and other.id in line and "SUCCESS" in line:
                    break
            api.kill(signal.SIGTERM)
            await api.ended()
        assert "Traceback" not in api.log
