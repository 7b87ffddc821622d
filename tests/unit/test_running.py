"""Running a job: whatever the function does, one outcome comes out."""

import asyncio
import threading
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from warrener import Job, RetryLater, RunCall, Warrener
from warrener_workers.running import current_job

from .running import JOB, failed, ran, succeeded


class Page(BaseModel):
    url: str


async def test_a_coroutine_s_result_is_its_json() -> None:
    async def discover(url: str, depth: int = 1) -> list[Page]:
        return [Page(url=url)] * depth

    assert await succeeded(discover, "u", 2) == [{"url": "u"}, {"url": "u"}]
    assert await succeeded(discover, body=b'{"kwargs":{"url":"v"}}') == [{"url": "v"}]


async def test_a_plain_function_runs_in_a_thread_of_its_own() -> None:
    def analyse(page: Page) -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await succeeded(analyse, {"url": "u"}) is False


async def test_arguments_arrive_as_their_types() -> None:
    async def take(when: datetime, tags: set[str], page: Page) -> list[str]:
        return [type(value).__name__ for value in (when, tags, page)]

    found = await succeeded(take, "2026-01-01T00:00:00Z", ["a"], {"url": "u"})
    assert found == ["datetime", "set", "Page"]


async def test_the_job_is_passed_in_wherever_it_stands() -> None:
    async def first(job: Job[str], url: str) -> str:
        return f"{job.id} {job.attempt} {job.resources} {url}"

    def keyword(url: str, *, job: Job[str]) -> str:
        return f"{job.id} {job.attempt} {job.resources} {url}"

    assert await succeeded(first, "u") == "job-1 2 resources u"
    assert await succeeded(keyword, "u") == "job-1 2 resources u"


async def test_log_lines_can_ask_for_the_running_job() -> None:
    async def coroutine() -> bool:
        return current_job.get() is JOB

    def plain() -> bool:
        return current_job.get() is JOB

    assert await succeeded(coroutine)
    assert await succeeded(plain)


async def test_none_is_a_result() -> None:
    async def silent() -> None: ...

    assert await succeeded(silent) is None


@pytest.mark.parametrize(
    "body, kind, reason, message",
    [
        (b'{"args":["x"]}', "InvalidArguments", "invalid_arguments", "number: Input should be"),
        (b"{}", "InvalidArguments", "invalid_arguments", "number: Field required"),
        (b'{"args":[1,2]}', "InvalidArguments", "invalid_arguments", "it takes 1"),
        (b'{"kwargs":{"other":1}}', "InvalidArguments", "invalid_arguments", "other: Extra"),
        (b"", "ValueError", "malformed", "the body is no JSON"),
        (b"\xff", "ValueError", "malformed", "the body is no JSON"),
        (b"[]", "ValueError", "malformed", "no JSON object"),
        (b'{"args":1}', "ValueError", "malformed", "args must be an array"),
    ],
)
async def test_a_call_that_does_not_fit_never_runs_and_is_not_retried(
    body: bytes, kind: str, reason: str, message: str
) -> None:
    calls: list[int] = []

    async def count(number: int) -> None:
        calls.append(number)

    outcome = await failed(count, body=body)
    assert (outcome.error.type, outcome.error.reason) == (kind, reason)
    assert message in outcome.error.message
    assert not outcome.retryable
    assert calls == []


async def test_an_unknown_task_is_an_outcome() -> None:
    async def renamed() -> None: ...

    outcome = await failed(renamed, name="shop.renamed")
    assert outcome.error.reason == "unknown_task"
    assert "no task is called 'shop.task'" in outcome.error.message


async def test_a_result_that_does_not_fit_the_return_type_is_a_failure() -> None:
    def wrong() -> int:
        return "many"  # type: ignore[return-value]

    outcome = await failed(wrong)
    assert (outcome.error.type, outcome.error.reason) == ("InvalidResult", "invalid_result")
    assert "what shop.task returned does not fit its return type" in outcome.error.message
    assert not outcome.retryable


async def test_a_result_that_json_cannot_hold_is_a_failure() -> None:
    def opaque() -> Any:
        return object()

    assert (await failed(opaque)).error.reason == "invalid_result"


async def test_a_result_may_be_as_large_as_the_limit_and_no_larger() -> None:
    def text(length: int) -> str:
        return "x" * length

    assert len(await succeeded(text, 98, app=Warrener(max_result_bytes=100))) == 98
    outcome = await failed(text, 99, app=Warrener(max_result_bytes=100))
    assert (outcome.error.type, outcome.error.reason) == ("ResultTooLarge", "result_too_large")
    assert "101 bytes, more than the 100 allowed" in outcome.error.message
    assert not outcome.retryable


async def test_middleware_runs_outermost_first_and_sees_call_and_result() -> None:
    seen: list[str] = []

    def layer(name: str) -> Any:
        async def middleware(call: RunCall, next: Any) -> Any:
            seen.append(f"{name} before {call.job.id} {call.arguments}")
            result = await next(call)
            seen.append(f"{name} after {result}")
            return result + 1

        return middleware

    async def task(number: int) -> int:
        seen.append("run")
        return number

    app = Warrener(run=[layer("outer"), layer("inner")])
    assert await succeeded(task, 5, app=app) == 7
    call = "job-1 {'number': 5}"
    before = [f"outer before {call}", f"inner before {call}"]
    assert seen == [*before, "run", "inner after 5", "outer after 6"]


async def test_middleware_may_raise_retry_and_answer_itself() -> None:
    async def task() -> int:
        raise ValueError("never reached or caught")

    async def refusing(call: RunCall, next: Any) -> Any:
        raise RetryLater(3)

    async def catching(call: RunCall, next: Any) -> Any:
        try:
            return await next(call)
        except ValueError:
            return 1

    assert (await failed(task, app=Warrener(run=[refusing]))).delay == 3
    assert await succeeded(task, app=Warrener(run=[catching])) == 1


async def test_the_end_of_the_process_is_no_outcome() -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(ran(endless))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
