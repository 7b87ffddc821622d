"""Children that have done enough, or grown too large, are replaced without a gap and without a loss."""

from __future__ import annotations

from tests.support import Running
from warrener import JobHandle, State

from . import yard as tasks
from .conftest import APP, QUEUE, Yard

ENTER, LEAVE = "enter lifespan", "leave lifespan"


async def _all_ran_once(yard: Yard, **jobs: JobHandle[str]) -> None:
    for name, status in zip(jobs, await yard.ended(*jobs.values()), strict=True):
        assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        assert yard.events(name) == [f"start {name}", f"end {name}"]


def _no_complaint(worker: Running) -> bool:
    return not any(level in worker.log for level in ("WARNING", "ERROR"))


async def test_a_child_works_until_its_replacement_is_ready(yard: Yard) -> None:
    async with yard.worker("-c", "2", "--max-jobs-per-child", "2") as worker:
        (yard.folder / "closed").touch()  # nothing enters its lifespan from now on
        first = {"a": await tasks.run.send("a"), "b": await tasks.run.send("b")}
        await worker.says("is replaced: it has begun 2 job(s)")
        await _all_ran_once(yard, **first)
        more = {"c": await tasks.run.send("c"), "d": await tasks.wait.send("d", "gate")}
        await yard.noted("start d")
        old = yard.pids("start a")
        assert yard.pids("start b") == yard.pids("start c") == yard.pids("start d") == old
        (yard.folder / "closed").unlink()
        await yard.noted(ENTER, 2)
        yard.open("gate")
        await _all_ran_once(yard, **more)
        await yard.noted(LEAVE)
        assert yard.pids(LEAVE) == old
        await _all_ran_once(yard, after=await tasks.run.send("after"))
        assert yard.pids("start after") != old
        assert _no_complaint(worker)


async def test_what_runs_in_a_child_that_is_replaced_goes_on(yard: Yard) -> None:
    async with yard.worker("-c", "2", "--max-jobs-per-child", "1") as worker:
        job = await tasks.wait_plain.send("a", "gate")
        await yard.noted(ENTER, 2)
        await yard.noted("start a")
        others = {f"other-{n}": await tasks.run.send(f"other-{n}") for n in range(6)}
        await _all_ran_once(yard, **others)
        yard.open("gate")
        await _all_ran_once(yard, a=job)
        await yard.noted(LEAVE)
        assert _no_complaint(worker)
    # Everyone who entered has left: nobody was killed.
    assert yard.events("lifespan").count(ENTER) == yard.events("lifespan").count(LEAVE) > 2


async def test_a_child_that_has_grown_too_large_is_replaced(yard: Yard) -> None:
    async with yard.worker("-c", "2", "--max-memory-per-child", "170") as worker:
        small = await tasks.run.send("small")
        await _all_ran_once(yard, small=small)
        assert "is replaced" not in worker.log
        large = await tasks.keeps.send("large", 170)
        line = await worker.says("is replaced: it holds")
        assert "MB, more than 170" in line
        await yard.noted(LEAVE)
        await yard.ended(large)
        await _all_ran_once(yard, after=await tasks.run.send("after"))
        assert yard.pids("start large") == yard.pids("start small") == yard.pids(LEAVE)
        assert yard.pids("start after") != yard.pids("start large")
        assert _no_complaint(worker)


async def test_a_solo_worker_has_nobody_to_replace(yard: Yard) -> None:
    solo = ("worker", QUEUE, "--app", APP, "-P", "solo", "--max-jobs-per-child", "1")
    async with yard.running(*solo) as worker:
        assert await worker.ended() == 2
    assert "a solo worker has no child to replace" in worker.log
