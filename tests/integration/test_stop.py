"""Stopping a worker: what runs finishes, what does not goes back, and nothing is lost or charged."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.support import Running
from warrener import State

from . import yard as tasks
from .conftest import Yard, children, gone, until


async def _stopping(worker: Running, number: int = signal.SIGTERM) -> None:
    worker.kill(number)
    await worker.says("finishing ")


async def test_sigterm_lets_running_jobs_finish_and_gives_the_others_back(yard: Yard) -> None:
    async with yard.worker("-c", "2", "--prefetch", "6") as worker:
        running = [await tasks.wait.send(name, "gate") for name in ("a", "b")]
        await yard.noted("start a")
        await yard.noted("start b")
        others = [await tasks.wait.send(f"other-{n}", "gate") for n in range(4)]
        await _stopping(worker)
        yard.open("gate")
        assert await worker.ended() == 0
        assert [s.state for s in await yard.ended(*running)] == [State.SUCCESS] * 2
    assert sorted(yard.events()) == sorted(
        ["enter lifespan", "start a", "start b", "end a", "end b", "leave lifespan"]
    )
    for job in others:
        status = await yard.status(job)
        assert (status.state, status.attempt, status.losses) == (State.PENDING, 1, 0)
    await yard.ready(4)
    async with yard.worker():
        for status in await yard.ended(*others):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)


async def test_what_outlasts_the_grace_is_handed_back_uncharged(yard: Yard) -> None:
    async with yard.worker(WARRENER_GRACE="0.2") as worker:
        job, payment = (
            await tasks.wait_plain.send("a", "gate"),
            await tasks.once.send("pay", "gate"),
        )
        await yard.noted("start a")
        await yard.noted("start pay")
        await _stopping(worker)
        assert await worker.ended() == 0
    status = await yard.status(job)
    assert (status.state, status.attempt, status.losses) == (State.PENDING, 1, 0)
    # A job with max_losses=0 has begun, and so cannot be handed back.
    [status] = await yard.ended(payment)
    assert status.error is not None
    assert (status.state, status.error.reason) == (State.FAILURE, "worker_lost")
    await yard.letters(1)
    yard.open("gate")
    async with yard.worker():
        [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "start a", "end a"]
    assert yard.events("pay") == ["start pay"]


async def test_ctrl_c_reaches_the_whole_group_and_jobs_still_finish(yard: Yard) -> None:
    async with yard.worker() as worker:
        job = await tasks.wait_plain.send("a", "gate")
        await yard.noted("start a")
        os.killpg(worker.process.pid, signal.SIGINT)
        await worker.says("finishing ")
        yard.open("gate")
        assert await worker.ended() == 0
    [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]


async def test_a_second_sigterm_ends_at_once_and_nothing_is_lost(yard: Yard) -> None:
    async with yard.worker() as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        family = children(worker)
        await _stopping(worker)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 130
        await until(lambda: gone(family), "no process left")
    await yard.ready(1)
    yard.open("gate")
    # Its claim lapses with its presence, and the job runs again elsewhere.
    async with yard.worker():
        [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 1)
    assert yard.events("a") == ["start a", "start a", "end a"]


CONTAINED = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL")
"""Runs a command as process 1 of a namespace of its own, as a container does."""


def _can_be_contained() -> bool:
    try:
        done = subprocess.run([*CONTAINED, "true"], check=False, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@pytest.mark.skipif(not _can_be_contained(), reason="no PID namespace for this user")
async def test_as_process_1_of_a_container_it_stops_as_safely(yard: Yard) -> None:
    async with yard.worker("-c", "2", before=CONTAINED) as contained:
        [worker] = psutil.Process(contained.process.pid).children()
        job = await tasks.wait_plain.send("a", "gate")
        await yard.noted("start a")
        # The kernel shields process 1 from signals that it has no handler for.
        assert _pid_inside(worker.pid) == 1
        worker.send_signal(signal.SIGTERM)
        await contained.says("finishing ")
        yard.open("gate")
        assert await contained.ended() == 0
    [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]


def _pid_inside(pid: int) -> int:
    """A process's id in its own namespace."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [found] = [line for line in lines if line.startswith("NSpid:")]
    return int(found.split()[-1])


async def test_a_worker_without_work_stops_at_once(yard: Yard) -> None:
    async with yard.worker("--processes", "2") as worker:
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    assert "ERROR" not in worker.log


@pytest.mark.parametrize("names, losses", [(("a",), 1), (("a", "b"), 0)])
async def test_jobs_whose_child_dies_while_the_worker_stops_are_handed_back(
    yard: Yard, names: Sequence[str], losses: int
) -> None:
    async with yard.worker("-c", "2") as worker:
        jobs = [await tasks.wait.send(name, "gate") for name in names]
        for name in names:
            await yard.noted(f"start {name}")
        await _stopping(worker)
        os.kill(yard.pids("start a")[0], signal.SIGKILL)
        assert await worker.ended() == 0
    for job in jobs:
        # A job that was alone in its process is charged with the loss, once.
        status = await yard.status(job)
        assert (status.state, status.attempt, status.losses) == (State.PENDING, 1, losses)
    await yard.ready(len(jobs))
