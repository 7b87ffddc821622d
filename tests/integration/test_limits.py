"""Time limits: whatever a task does, it ends; its neighbours do not suffer."""

from __future__ import annotations

from warrener import State

from . import yard as tasks
from .conftest import Yard


async def test_a_time_limit_ends_what_sleeps_spins_or_hogs_the_loop(yard: Yard) -> None:
    async with yard.worker("-c", "2", WARRENER_NEIGHBOUR_GRACE="1"):
        for task in (tasks.sleeps, tasks.spins, tasks.hogs, tasks.calls):
            name = task.__name__
            neighbour = await tasks.wait.send(f"beside-{name}", f"gate-{name}")
            await yard.noted(f"start beside-{name}")
            job = await task.send(name)
            await yard.noted(f"start {name}")
            yard.open(f"gate-{name}")
            status, beside = await yard.ended(job, neighbour)
            assert (beside.state, beside.attempt, beside.losses) == (State.SUCCESS, 1, 0)
            # The retry policy grants one more attempt.
            assert (status.state, status.attempt) == (State.FAILURE, 2)
            assert [entry["reason"] for entry in status.attempts] == ["time_limit"] * 2
            assert yard.events(name) == [f"start {name}"] * 2
        assert [letter.reason for letter in await yard.letters(4)] == ["time_limit"] * 4
    # The loop was free for these, so that they ended within the grace and ran once.
    for name in ("beside-sleeps", "beside-spins"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]


async def test_neighbours_that_outlast_the_grace_run_again_uncharged(yard: Yard) -> None:
    async with yard.worker("-c", "2", WARRENER_NEIGHBOUR_GRACE="0.2") as worker:
        neighbour = await tasks.wait.send("beside", "gate")
        await yard.noted("start beside")
        job = await tasks.sleeps_once.send("long")
        again = await worker.says("runs again, alone and uncharged")
        assert f"killed for the time limit of job {job.id}" in again
        assert "out of memory" not in worker.log
        await yard.noted("start beside", 2)
        yard.open("gate")
        status, beside = await yard.ended(job, neighbour)
    assert (status.state, status.attempt, status.result) == (State.SUCCESS, 2, 2)
    assert (beside.state, beside.attempt, beside.losses) == (State.SUCCESS, 1, 0)


async def test_a_soft_limit_interrupts_a_plain_function_and_spares_its_process(yard: Yard) -> None:
    async with yard.worker("-c", "2"):
        neighbour = await tasks.wait.send("beside", "gate")
        await yard.noted("start beside")
        [status] = await yard.ended(await tasks.softly.send("a"))
        assert status.error is not None
        assert status.state is State.FAILURE
        assert status.error.type.endswith("SoftTimeLimitExceeded")
        assert "0.3 s" in status.error.message
        yard.open("gate")
        await yard.ended(neighbour)
    assert len(set(yard.pids("start a") + yard.pids("start beside"))) == 1
