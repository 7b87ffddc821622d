"""-P solo: user code in the main thread, RabbitMQ on another."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psutil
import pytest
import pytest_asyncio
from yarl import URL

from tests.support import Running, running_worker
from warrener import State, Task, Warrener
from warrener_workers.worker import EXIT_FORCED

from . import solo_tasks
from . import yard as tasks
from .conftest import QUEUE, Yard
from .terminal import CTRL_C, Terminal, in_a_terminal

APP = "tests.integration.solo_tasks:app"


@asynccontextmanager
async def _fails() -> AsyncIterator[None]:
    if "YARD" in os.environ:  # in a worker, that is
        raise RuntimeError("the shop is closed")
    yield


closed = Warrener(lifespan=_fails)
"""An app whose lifespan fails."""


def solo(yard: Yard, *queues: str, **environment: str) -> AbstractAsyncContextManager[Running]:
    """A solo worker that is ready."""
    urls = (yard.amqp_url, yard.redis_url)
    environment = {**yard.environment, **environment}
    return running_worker(APP, queues or (QUEUE,), *urls, "-P", "solo", **environment)


def _connections(yard: Yard, worker: Running) -> set[int]:
    """The worker's connections to RabbitMQ, each by its own port."""
    broker = URL(yard.amqp_url).port
    found = psutil.Process(worker.process.pid).net_connections("tcp")
    return {
        one.laddr.port
        for one in found
        if one.status == psutil.CONN_ESTABLISHED and one.raddr.port == broker
    }


async def test_jobs_run_one_at_a_time_in_the_workers_own_process(yard: Yard) -> None:
    async with solo(yard) as worker:
        await worker.says("one job at a time in the main thread; time limits, soft and hard, are")
        jobs = [await tasks.run.send("a"), await tasks.nap.send("b", 0.1)]
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt) == (State.SUCCESS, 1)
        assert {*yard.pids("start a"), *yard.pids("start b")} == {worker.process.pid}
        retried = await tasks.fails.send("c", 1)
        [status] = await yard.ended(retried)
        assert (status.state, status.attempt) == (State.SUCCESS, 2)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    assert yard.events("lifespan") == ["enter lifespan", "leave lifespan"]
    assert await yard.waiting(QUEUE) == []


async def test_coroutines_and_plain_functions_run_in_the_main_thread(yard: Yard) -> None:
    async with solo(yard):
        jobs = [await solo_tasks.where.send(), await solo_tasks.where_plain.send()]
        for status in await yard.ended(*jobs):
            assert (status.state, status.result) == (State.SUCCESS, "main")


async def test_tasks_in_the_main_thread_send_and_report_as_anywhere(yard: Yard) -> None:
    async with solo(yard):
        plain = await solo_tasks.relays_plain.send("from-plain")
        statuses = await yard.ended(await solo_tasks.relays.send("from-coroutine"), plain)
        assert {status.state for status in statuses} == {State.SUCCESS}
        await yard.ended(*[str(status.result) for status in statuses])
        assert (await yard.status(plain)).progress == {"done": 1, "total": 2, "note": ""}
    assert yard.events("from-plain") == ["start from-plain", "end from-plain"]
    assert yard.events("from-coroutine") == ["start from-coroutine", "end from-coroutine"]


async def test_neither_time_limit_ends_a_job(yard: Yard) -> None:
    async with solo(yard):
        plain = await solo_tasks.limited.send("a")
        for status in await yard.ended(plain, await solo_tasks.limited_too.send("b")):
            assert (status.state, status.result) == (State.SUCCESS, None)


async def test_jobs_of_several_queues_take_turns(yard: Yard) -> None:
    async with solo(yard, QUEUE, "yard.second"):
        first = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        second = await tasks.run.options(queue="yard.second").send("b")
        yard.open("gate")
        await yard.ended(first, second)
    assert yard.events() == [
        "enter lifespan",
        *("start a", "end a"),
        *("start b", "end b"),
        "leave lifespan",
    ]


async def test_a_running_job_finishes_before_a_solo_worker_stops(yard: Yard) -> None:
    async with solo(yard) as worker:
        job = await tasks.wait_plain.send("a", "gate")
        await yard.noted("start a")
        worker.kill(signal.SIGTERM)
        await worker.says("finishing ")
        yard.open("gate")
        assert await worker.ended() == 0
    [status] = await yard.ended(job)
    assert (status.state, status.losses) == (State.SUCCESS, 0)


async def test_a_job_that_outlasts_the_grace_ends_with_the_process_and_runs_again(
    yard: Yard,
) -> None:
    async with solo(yard, WARRENER_GRACE="0.2") as worker:
        job = await solo_tasks.stuck.send("a", "gate")
        await yard.noted("start a")
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == EXIT_FORCED
        assert "a job still runs: ending the process" in worker.log
    yard.open("gate")
    async with solo(yard):
        [status] = await yard.ended(job)
    assert (status.state, status.attempt) == (State.SUCCESS, 1)
    assert yard.events("a") == ["start a", "start a", "end a"]


@pytest.mark.parametrize("task", [tasks.block, tasks.nap])
async def test_heartbeats_go_on_while_a_task_blocks_the_main_thread(
    yard: Yard, task: Task[[str, float], Any]
) -> None:
    async with solo(yard, WARRENER_HEARTBEAT="1") as worker:
        await yard.ended(await tasks.run.send("first"))
        before = _connections(yard, worker)
        assert before
        # RabbitMQ drops a peer that is silent for two heartbeats.
        [status] = await yard.ended(await task.send("a", 4.0))
        assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        await yard.ended(await tasks.run.send("last"))
        assert before <= _connections(yard, worker)
        assert "lost" not in worker.log
    assert yard.events("a") == ["start a", "end a"]
    assert await yard.waiting(QUEUE) == []


# In a terminal ---------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def terminal(yard: Yard) -> AsyncIterator[Terminal]:
    """A solo worker in a terminal, ready."""
    command = ("worker", QUEUE, "--app", APP, "-P", "solo")
    async with in_a_terminal(*command, **yard.environment) as terminal:
        await terminal.expect(" ready: ")
        yield terminal


@pytest.mark.parametrize("task", [solo_tasks.halts, solo_tasks.halts_too])
async def test_breakpoint_has_the_terminal_and_ctrl_c_still_ends_the_worker(
    yard: Yard, terminal: Terminal, task: Task[[str], str]
) -> None:
    job = await task.send("a")
    await terminal.expect("(Pdb) ")
    terminal.type("print(name * 3)\n")
    await terminal.expect("aaa")
    terminal.type("answer = 'as typed'\n")
    await terminal.expect("(Pdb) ")
    terminal.type("c\n")
    [status] = await yard.ended(job)
    assert (status.state, status.result) == (State.SUCCESS, "as typed")
    await yard.ended(await tasks.run.send("b"))
    terminal.type(CTRL_C)
    assert await terminal.ended() == 0
    assert yard.events("lifespan") == ["enter lifespan", "leave lifespan"]


# Without what only Unix has --------------------------------------------------------------------------

_ELSEWHERE = """
import asyncio, os, signal, sys
for module in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "uvloop"):
    sys.modules[module] = None
for name in ("fork", "forkpty", "killpg", "getppid", "setsid", "geteuid"):
    delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM", "SIGCHLD"):
    delattr(signal, name)
def refuse(*_): raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = refuse
from warrener_workers.cli import main
main()
"""


async def test_a_solo_worker_needs_neither_uvloop_nor_unix(yard: Yard) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ELSEWHERE, "worker", QUEUE, "--app", APP, "-P", "solo"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **yard.environment},
    )
    worker = Running(process)
    worker.read()
    try:
        await worker.says(" ready: ")
        jobs = [await solo_tasks.where.send(), await solo_tasks.where_plain.send()]
        assert [status.result for status in await yard.ended(*jobs)] == ["main", "main"]
        worker.kill(signal.SIGINT)
        assert await worker.ended() == 0, worker.log
    finally:
        worker.kill()
        await worker.ended()


# What goes wrong at the start ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "app, complaint, is_users",
    [
        ("tests.integration.no_such:app", "No module named 'tests.integration.no_such'", False),
        ("tests.integration.test_solo:closed", "RuntimeError: the shop is closed", True),
        ("tests.acceptance.odd_shop:app", "Task 'odd.take' cannot be sent", False),
    ],
)
async def test_an_app_that_does_not_start_ends_the_worker_with_3(
    yard: Yard, app: str, complaint: str, is_users: bool
) -> None:
    async with yard.running("worker", QUEUE, "--app", app, "-P", "solo") as worker:
        assert await worker.ended() == 3
        assert complaint in worker.log
        assert ("Traceback" in worker.log) is is_users, "only of what broke in the user's own code"
