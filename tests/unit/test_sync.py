"""The portal: asynchronous code called from code without an event loop."""

import asyncio
import contextlib
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from warrener import SyncCallOnLoop, Warrener, sync
from warrener.declared import CatalogueEntry
from warrener.submissions import Submission
from warrener.sync import Portal


async def whereabouts() -> tuple[str, int]:
    return threading.current_thread().name, os.getpid()


async def failing() -> None:
    raise ValueError("no")


def test_a_coroutine_runs_on_a_loop_in_the_background_and_its_result_comes_back() -> None:
    assert Portal().run(whereabouts, "send_sync()") == ("warrener-sync", os.getpid())


def test_what_the_coroutine_raises_comes_back() -> None:
    with pytest.raises(ValueError, match="no"):
        Portal().run(failing, "send_sync()")


async def test_on_a_running_loop_it_says_what_to_call_instead() -> None:
    called: list[int] = []

    async def call() -> None:
        called.append(1)

    with pytest.raises(SyncCallOnLoop) as refused:
        Portal().run(call, "result_sync()")
    assert "result_sync() was called on a running event loop" in str(refused.value)
    assert called == []


def test_inside_its_own_loop_it_would_wait_for_itself_and_says_so() -> None:
    portal = Portal()

    async def nested() -> Any:
        return portal.run(whereabouts, "send_sync()")

    with pytest.raises(SyncCallOnLoop):
        portal.run(nested, "send_sync()")


def test_all_threads_share_one_loop() -> None:
    portal = Portal()
    together = threading.Barrier(8)

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def call(_: int) -> asyncio.AbstractEventLoop:
        together.wait()
        return portal.run(loop, "send_sync()")

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(call, range(8)))) == 1


def test_the_first_use_by_several_threads_at_once_makes_one_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each thread is held where it has read the process's id, until the others are there as well."""
    together, meeting = threading.Barrier(4), threading.local()

    def getpid() -> int:
        if not getattr(meeting, "over", False):
            meeting.over = True
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(0.2)
        return 7

    monkeypatch.setattr(os, "getpid", getpid)
    portal = Portal()

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lambda _: portal.run(loop, "send_sync()"), range(4)))) == 1


def test_calls_of_several_threads_run_side_by_side() -> None:
    portal = Portal()
    arrived = 0
    both = threading.Event()

    async def meet() -> bool:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            both.set()
        while not both.is_set():
            await asyncio.to_thread(both.wait, 5)
        return True

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: portal.run(meet, "send_sync()"), range(2))) == [True] * 2


def test_it_can_use_a_loop_that_runs_already() -> None:
    portal = Portal()
    adopted: list[asyncio.AbstractEventLoop] = []

    async def main() -> tuple[str, int]:
        adopted.append(asyncio.get_running_loop())
        portal.adopt(adopted[0])
        return await asyncio.to_thread(portal.run, whereabouts, "send_sync()")

    assert asyncio.run(main()) == (threading.current_thread().name, os.getpid())
    # The adopted loop is closed now: the portal starts one of its own.
    assert portal.run(whereabouts, "send_sync()")[0] == "warrener-sync"


def in_a_forked_process(call: Any) -> str:
    """What `call` returns there, or what went wrong."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of what is tested here: a fork beside a running thread.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        signal.alarm(10)  # a deadlock ends the child, and the test with it
        try:
            answer = repr(call())
        except BaseException as error:
            answer = repr(error)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


def test_a_forked_process_gets_a_loop_of_its_own() -> None:
    portal = Portal()
    portal.run(whereabouts, "send_sync()")

    def call() -> bool:
        name, pid = portal.run(whereabouts, "send_sync()")
        return name == "warrener-sync" and pid == os.getpid()

    assert in_a_forked_process(call) == "True"
    assert portal.run(whereabouts, "send_sync()")[1] == os.getpid()


def test_a_fork_while_another_thread_starts_the_loop_does_no_harm() -> None:
    portal = Portal()
    portal.run(whereabouts, "send_sync()")
    with sync._starting:
        assert in_a_forked_process(lambda: portal.run(whereabouts, "x")[0]) == "'warrener-sync'"


class Memory:
    """A backend that accepts everything."""

    def __init__(self) -> None:
        self.submitted: list[Submission] = []

    async def submit(self, submissions: Any) -> list[str]:
        self.submitted += submissions
        return [f"job-{len(self.submitted)}"]

    async def find_task(self, task: str) -> CatalogueEntry | None:
        return CatalogueEntry(task, "q", {}, {})

    async def close(self) -> None: ...


def test_send_sync_works_in_plain_code_and_in_threads() -> None:
    app, memory = Warrener(), Memory()
    app.use_backend(lambda: memory)  # type: ignore[arg-type,return-value]

    @app.task(name="shop.mail")
    def mail(to: str) -> None: ...

    assert mail.send_sync("a").id == "job-1"
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(mail.send_sync, "b").result().id == "job-2"
    assert app.send_sync("elsewhere", 1).id == "job-3"
    assert [s.task for s in memory.submitted] == ["shop.mail", "shop.mail", "elsewhere"]


async def test_send_sync_on_a_running_loop_sends_nothing() -> None:
    app, memory = Warrener(), Memory()
    app.use_backend(lambda: memory)  # type: ignore[arg-type,return-value]

    @app.task(name="shop.mail")
    def mail(to: str) -> None: ...

    with pytest.raises(SyncCallOnLoop, match=r"send_sync\(\)"):
        mail.send_sync("a")
    assert memory.submitted == []
