"""What mypy and pyright must accept, with the types that they must find."""

from datetime import UTC, datetime
from typing import Any, assert_type

from warrener import (
    Chain,
    Group,
    Job,
    JobHandle,
    JobStatus,
    Retry,
    Signature,
    Task,
    Warrener,
    WorkflowHandle,
    chain,
    chord,
    group,
)


class Resources:
    """What a lifespan gives."""


class Page:
    """What a task takes."""


app = Warrener()


@app.task
async def discover(url: str, depth: int = 3) -> list[Page]:
    """A coroutine, declared with the bare decorator."""
    return [Page()] * depth


@app.task
def analyse(page: Page) -> float:
    """A plain function, declared with the bare decorator."""
    return 0.5


@app.task(queue="scan.analysis", retry=Retry(5, on=(OSError,)), time_limit=60, isolate=True)
async def parametrised(page: Page, *, deep: bool = False) -> str:
    """A coroutine, declared with settings; a keyword-only argument."""
    return ""


@app.task(name="shop.count", soft_time_limit=5, max_losses=0)
def parametrised_plain(pages: list[Page]) -> int:
    """A plain function, declared with settings."""
    return len(pages)


@app.task
async def job_first(job: Job[Resources], url: str, depth: int = 1, *, deep: bool = False) -> int:
    """The Job first: names, defaults and keyword-only arguments of the others are kept."""
    assert_type(job.resources, Resources)
    return depth


@app.task(queue="scan.discovery")
def job_first_plain(job: Job[Resources], url: str, depth: int = 1, *, deep: bool = False) -> int:
    """The same for a plain function."""
    return depth


@app.task
async def job_only(job: Job[Resources]) -> None:
    """Nothing but the Job, by position."""


@app.task
async def keyword0(*, job: Job[Resources]) -> int:
    """The Job keyword-only, beside no arguments."""
    return 0


@app.task
async def keyword1(url: str, *, job: Job[Resources]) -> int:
    """Beside one argument."""
    return 1


@app.task(queue="scan.discovery", time_limit=3600)
def keyword2(url: str, depth: int, *, job: Job[Resources]) -> int:
    """Beside two, on a plain function."""
    return 2


@app.task
async def keyword3(url: str, depth: int, deep: bool, *, job: Job[Resources]) -> bytes:
    """Beside three."""
    return b""


@app.task
async def keyword_defaults(url: str, depth: int = 3, *, job: Job[Resources]) -> int:
    """Beside one that may be left out."""
    return depth


@app.task(queue="scan.discovery")
def keyword_all_defaults(url: str = "u", depth: int = 3, *, job: Job[Resources]) -> bytes:
    """Beside some that may all be left out, on a plain function."""
    return b""


@app.task
async def nothing() -> None:
    """No arguments, no result."""


async def sending(page: Page) -> None:
    """Handles know what the task returns."""
    handle = await discover.send("u", depth=2)
    assert_type(handle, JobHandle[list[Page]])
    assert_type(await handle.result(), list[Page])
    assert_type(await handle.result(timeout=5), list[Page])
    assert_type(await handle.status(), JobStatus)
    assert_type(await analyse.send(page), JobHandle[float])
    assert_type(await analyse.send(page=page), JobHandle[float])
    assert_type(await parametrised.send(page, deep=True), JobHandle[str])
    assert_type(await parametrised_plain.send([page]), JobHandle[int])
    assert_type(await nothing.send(), JobHandle[None])


def sending_without_a_loop(page: Page) -> None:
    """The same names with _sync."""
    handle = analyse.send_sync(page)
    assert_type(handle, JobHandle[float])
    assert_type(handle.result_sync(), float)
    assert_type(handle.result_sync(5.0), float)
    assert_type(handle.status_sync(), JobStatus)
    assert_type(discover.send_sync("u"), JobHandle[list[Page]])


async def sending_with_a_job() -> None:
    """Senders do not see the Job."""
    assert_type(await job_first.send("u"), JobHandle[int])
    assert_type(await job_first.send("u", 2, deep=True), JobHandle[int])
    assert_type(await job_first.send(url="u", depth=2), JobHandle[int])
    assert_type(await job_first_plain.send("u", depth=2, deep=False), JobHandle[int])
    assert_type(job_first_plain.send_sync(url="u"), JobHandle[int])
    assert_type(await job_only.send(), JobHandle[None])
    assert_type(await keyword0.send(), JobHandle[int])
    assert_type(await keyword1.send("u"), JobHandle[int])
    assert_type(await keyword2.send("u", 1), JobHandle[int])
    assert_type(await keyword3.send("u", 1, True), JobHandle[bytes])
    assert_type(keyword3.s("u", 1, True), Signature[bytes])
    assert_type(await keyword_defaults.send("u"), JobHandle[int])
    assert_type(await keyword_defaults.send("u", 2), JobHandle[int])
    assert_type(await keyword_defaults.send(url="u", depth=2), JobHandle[int])
    assert_type(await keyword_all_defaults.send(), JobHandle[bytes])
    assert_type(keyword_all_defaults.send_sync("u", depth=2), JobHandle[bytes])


async def sending_with_options(page: Page) -> None:
    """Options keep the signature."""
    later = analyse.options(countdown=60, id="scan-7", queue="slow")
    assert_type(await later.send(page), JobHandle[float])
    assert_type(later.send_sync(page), JobHandle[float])
    at = job_first.options(eta=datetime(2026, 1, 1, tzinfo=UTC), idempotency_key="k")
    assert_type(await at.send("u", depth=1), JobHandle[int])


async def signatures(page: Page) -> None:
    """Calls as values, one by one and many at once."""
    call = analyse.s(page)
    assert_type(call, Signature[float])
    assert_type(call.options(countdown=5), Signature[float])
    assert_type(await call.send(), JobHandle[float])
    assert_type(call.send_sync(), JobHandle[float])
    handles = await app.send_many([analyse.s(page) for _ in range(3)])
    assert_type(handles, list[JobHandle[float]])
    assert_type(app.send_many_sync([discover.s("u")]), list[JobHandle[list[Page]]])
    assert_type([await handle.result() for handle in handles], list[float])


@app.task
async def mean(numbers: list[float]) -> float:
    """Takes what a group gives."""
    return sum(numbers) / len(numbers)


@app.task
async def spell(number: float, language: str = "en") -> str:
    """Takes what came before it, and more."""
    return f"{number} {language}"


async def workflows(page: Page, pages: list[Page]) -> None:
    """Calls joined to workflows: each step takes what the one before it gives."""
    one = chain(analyse.s(page), spell.s())
    assert_type(one, Chain[Any, str])
    assert_type(await one.send(), WorkflowHandle[str])
    assert_type(await (await one.send()).result(), str)
    assert_type(one.send_sync().result_sync(), str)
    assert_type(analyse.s(page) | spell.s("de"), Chain[Any, str])
    assert_type(discover.s("u") | parametrised_plain.s() | spell.si(0.5), Chain[Any, str])
    many = group(analyse.s(page) for page in pages)
    assert_type(many, Group[Any, list[float]])
    assert_type(
        group(analyse.s(page), analyse.s(page), on_error="continue"), Group[Any, list[float]]
    )
    assert_type(many | mean.s(), Chain[Any, float])
    assert_type(chord([analyse.s(page)], mean.s()), Chain[Any, float])
    assert_type(chord(many, mean.s()) | spell.s(), Chain[Any, str])
    assert_type(chain(many, mean.s(), spell.s()), Chain[Any, str])
    assert_type(analyse.map(pages), Group[Any, list[float]])
    assert_type(parametrised_plain.chunks(pages, 10), Group[Any, list[int]])
    assert_type(many.options(id="w", on_error=spell.s()), Group[Any, list[float]])


async def by_name(page: Page) -> None:
    """Nothing is known of a task that is sent by name."""
    handle = await app.send("shop.discover", "u", depth=3)
    assert_type(handle, JobHandle[Any])
    assert_type(await handle.result(), Any)
    assert_type(app.send_sync("shop.discover"), JobHandle[Any])
    assert_type(app.signature("shop.discover", url="u"), Signature[Any])
    assert_type(app.job("job-1"), JobHandle[Any])


def takes_any_task(task: Task[..., Any]) -> str:
    """Code that works with any task."""
    return task.name


takes_any_task(discover)
takes_any_task(keyword2)
