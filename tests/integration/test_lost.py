"""Processes that are killed: jobs run again, the guilty are charged, and nobody waits for ever."""

from __future__ import annotations

import os
import signal

import pytest

from warrener import State

from . import yard as tasks
from .conftest import Yard, children, gone, until


async def test_a_killed_worker_takes_its_children_with_it_and_its_jobs_run_elsewhere(
    yard: Yard,
) -> None:
    async with yard.worker("--processes", "2") as worker:
        job, payment = await tasks.wait.send("a", "gate"), await tasks.once.send("pay", "gate")
        await yard.noted("start a")
        await yard.noted("start pay")
        family = children(worker)
        assert yard.pids("start a")[0] in [process.pid for process in family]
        worker.kill(signal.SIGKILL)
        await until(lambda: gone(family), "no process left")
    yard.open("gate")
    async with yard.worker() as other:
        [status, paid] = await yard.ended(job, payment)
        assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 1)
        await other.says("is taken over from a lost worker")
        assert yard.events("a") == ["start a", "start a", "end a"]
        # With max_losses=0, not even then.
        assert paid.error is not None
        assert (paid.state, paid.error.reason) == (State.FAILURE, "worker_lost")
        await yard.letters(1)
        assert yard.events("pay") == ["start pay"]


async def test_a_child_that_spins_dies_with_its_killed_parent(yard: Yard) -> None:
    async with yard.worker() as worker:
        await tasks.hogs.send("a")
        await yard.noted("start a")
        family = children(worker)
        worker.kill(signal.SIGKILL)
        await until(lambda: gone(family), "no process left")


async def test_a_stopped_worker_loses_its_children_before_its_claims(yard: Yard) -> None:
    async with yard.worker() as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        family = children(worker)
        worker.kill(signal.SIGSTOP)
        await until(lambda: gone(family), "no child left")
        yard.open("gate")
        worker.kill(signal.SIGCONT)
        [status] = await yard.ended(job)
    assert status.state is State.SUCCESS
    assert yard.events("a") == ["start a", "start a", "end a"]


async def test_the_jobs_of_a_killed_child_run_again_alone_and_uncharged(yard: Yard) -> None:
    async with yard.worker("-c", "3"):
        names = ("a", "b", "c")
        jobs = [await tasks.wait.send(name, f"gate-{name}") for name in names]
        for name in names:
            await yard.noted(f"start {name}")
        [child] = set(yard.pids("start a") + yard.pids("start b") + yard.pids("start c"))
        os.kill(child, signal.SIGKILL)
        # Suspects run one at a time: the next one starts when the one before it has ended.
        for count in (1, 2, 3):
            await _suspects(yard, count)
            yard.open(f"gate-{_second_starts(yard)[-1]}")
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    again = [event.split() for event in yard.events() if "lifespan" not in event][3:]
    assert [event for event, _ in again] == ["start", "end"] * 3


async def _suspects(yard: Yard, count: int) -> None:
    await until(lambda: len(_second_starts(yard)) == count, f"{count} suspect(s)")


def _second_starts(yard: Yard) -> list[str]:
    """The names that have started twice, in the order of the second start."""
    seen: list[str] = []
    again: list[str] = []
    for event, name in (line.split() for line in yard.events()):
        if event == "start":
            (again if name in seen else seen).append(name)
    return again


async def test_only_the_job_that_kills_its_process_is_charged(yard: Yard) -> None:
    async with yard.worker("-c", "3") as worker:
        innocents = [await tasks.wait.send(name, "gate") for name in ("a", "b")]
        await yard.noted("start a")
        await yard.noted("start b")
        guilty = await tasks.die.send("guilty", 99)
        await worker.says("ended under 3 job(s)")
        yard.open("gate")
        for status in await yard.ended(*innocents):
            assert (status.state, status.losses) == (State.SUCCESS, 0)
        [status] = await yard.ended(guilty)
        assert status.error is not None
        assert (status.state, status.attempt, status.losses) == (State.FAILURE, 1, 3)
        assert status.error.reason == "worker_lost"
        assert "exit code 9" in status.error.message
        [letter] = await yard.letters(1)
        assert (letter.job_id, letter.reason) == (guilty.id, "worker_lost")
    # Once among others, and then alone as often as losses are allowed.
    assert len(yard.events("guilty")) == 4


# SIGKILL is what ends a process that is out of memory.
ENDS = {"segfault": signal.SIGSEGV, "out of memory": signal.SIGKILL, "group": -signal.SIGKILL}


@pytest.mark.parametrize("kind", ["quorum", "classic"])
async def test_a_job_that_loses_its_process_once_succeeds_charged_with_it(
    yard: Yard, kind: str
) -> None:
    """Classic queues count no deliveries: the record does."""
    yard.app.settings = yard.app.settings.model_copy(update={"queue_type": kind})
    async with yard.worker("-c", "1", WARRENER_QUEUE_TYPE=kind):
        jobs = [await tasks.dies_of.send(name, number) for name, number in ENDS.items()]
        for status in await yard.ended(await tasks.die.send("exit", 1), *jobs):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 1)


async def test_a_job_that_must_not_run_twice_is_dead_lettered_when_its_process_dies(
    yard: Yard,
) -> None:
    async with yard.worker("-c", "2"):
        neighbour = await tasks.wait.send("neighbour", "gate")
        await yard.noted("start neighbour")
        job = await tasks.die_once.send("pay")
        [status] = await yard.ended(job)
        assert status.error is not None
        assert (status.state, status.error.reason) == (State.FAILURE, "worker_lost")
        yard.open("gate")
        [status] = await yard.ended(neighbour)
        assert (status.state, status.losses) == (State.SUCCESS, 0)
    assert yard.events("pay") == ["start pay"]


async def test_an_isolated_job_runs_in_a_process_that_nothing_else_has_run_in(yard: Yard) -> None:
    async with yard.worker("-c", "2", "--prefetch", "8"):
        jobs = [await tasks.isolated.send("alone") for _ in range(5)]
        jobs.append(await tasks.run.send("shared"))
        for status in await yard.ended(*jobs):
            assert (status.state, status.losses) == (State.SUCCESS, 0)
    alone = yard.pids("start alone")
    assert len(set(alone)) == 5
    assert not set(alone) & set(yard.pids("start shared"))
