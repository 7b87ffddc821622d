"""Soft time limits: an exception inside the task, which may catch it. The limits are so short that
the tests wait for the exception alone."""

import asyncio
import contextlib
import ctypes
import functools
import threading
from typing import Any

import pytest

from warrener import Job, Retry, SoftTimeLimitExceeded
from warrener_workers.outcomes import Succeeded
from warrener_workers.soft_limits import LimitedCall

from .running import failed, ran, succeeded

SOON = 0.02
LATE = 3600.0


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def endless() -> None:
    await wait_for_ever()


def busy() -> None:
    while True:
        pass


async def patient() -> str:
    try:
        await wait_for_ever()
    except SoftTimeLimitExceeded as error:
        return f"{error}"
    return "never"


def stubborn() -> str:
    try:
        busy()
    except SoftTimeLimitExceeded as error:
        return f"{error}"
    return "never"


@pytest.mark.parametrize("function", [endless, busy])
async def test_the_soft_limit_ends_a_run_as_a_failure(function: Any) -> None:
    outcome = await failed(function, soft_time_limit=SOON)
    assert outcome.error.type == "warrener.errors.SoftTimeLimitExceeded"
    assert outcome.error.message == "The job ran longer than its soft time limit of 0.02 s."
    assert outcome.retryable


@pytest.mark.parametrize("function", [endless, busy])
async def test_a_policy_may_give_up_on_the_soft_limit(function: Any) -> None:
    policy = Retry(give_up_on=(SoftTimeLimitExceeded,))
    assert not (await failed(function, soft_time_limit=SOON, retry=policy)).retryable


@pytest.mark.parametrize("function", [patient, stubborn])
async def test_a_task_can_catch_the_soft_limit_and_read_what_it_was(function: Any) -> None:
    found = await succeeded(function, soft_time_limit=SOON)
    assert found == "The job ran longer than its soft time limit of 0.02 s."


async def test_the_traceback_shows_where_the_limit_struck() -> None:
    assert "in wait_for_ever" in (await failed(endless, soft_time_limit=SOON)).error.traceback
    assert "in busy" in (await failed(busy, soft_time_limit=SOON)).error.traceback


async def test_a_coroutine_that_caught_the_limit_can_await_again() -> None:
    async def tidy() -> str:
        try:
            await wait_for_ever()
        except SoftTimeLimitExceeded:
            event = asyncio.Event()
            asyncio.get_running_loop().call_soon(event.set)
            await event.wait()
        return "tidied"

    assert await succeeded(tidy, soft_time_limit=SOON) == "tidied"


@pytest.mark.parametrize("limit", [None, LATE])
async def test_a_run_within_its_limit_is_left_alone(limit: float | None) -> None:
    async def coroutine(number: int) -> int:
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        return number

    def plain(number: int) -> int:
        return number

    for function in (coroutine, plain):
        assert await succeeded(function, 5, soft_time_limit=limit) == 5


async def test_exceptions_pass_through_a_limited_run() -> None:
    async def coroutine() -> None:
        try:
            await asyncio.wait_for(wait_for_ever(), SOON)
        except TimeoutError:
            raise ValueError("own timeout") from None

    def plain() -> None:
        raise ValueError("own timeout")

    for function in (coroutine, plain):
        outcome = await failed(function, soft_time_limit=LATE)
        assert (outcome.error.type, outcome.error.message) == ("ValueError", "own timeout")


async def test_the_limit_of_one_run_does_not_touch_the_next_on_its_thread() -> None:
    def after_the_limit() -> str:
        with contextlib.suppress(SoftTimeLimitExceeded):
            busy()
        return "".join(str(n) for n in range(1000))[:3]

    for _ in range(3):
        assert await succeeded(after_the_limit, soft_time_limit=SOON) == "012"


async def test_cancelling_a_limited_run_is_still_a_cancellation() -> None:
    started = asyncio.Event()

    async def task() -> None:
        started.set()
        await wait_for_ever()

    running = asyncio.create_task(ran(task, soft_time_limit=LATE))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_limited_task_gets_its_job() -> None:
    def plain(*, job: Job[str]) -> str:
        return f"{job.id} {threading.current_thread() is threading.main_thread()}"

    outcome = await ran(plain, soft_time_limit=LATE)
    assert outcome == Succeeded(b'"job-1 False"')


def test_a_limit_that_strikes_when_the_function_has_returned_changes_nothing() -> None:
    limited = LimitedCall(lambda: None, 1.0)
    # What interrupt() does, as a function without bytecode: it returns before the limit can strike.
    here, kind = ctypes.c_ulong(threading.get_ident()), ctypes.py_object(limited.expired)
    limited.function = functools.partial(ctypes.pythonapi.PyThreadState_SetAsyncExc, here, kind)
    assert limited() == (1, None)


def test_a_limit_after_the_end_strikes_nobody() -> None:
    limited = LimitedCall(lambda: "done", 1.0)
    assert limited() == ("done", None)
    limited.interrupt()
    assert "".join(str(n) for n in range(1000))[:3] == "012"


async def test_without_soft_limits_nothing_strikes() -> None:
    def plain() -> str:
        threading.Event().wait(3 * SOON)
        return "done"

    async def coroutine() -> str:
        await asyncio.sleep(3 * SOON)
        return "done"

    for function in (plain, coroutine):
        assert await succeeded(function, soft_limits=False, soft_time_limit=SOON) == "done"
