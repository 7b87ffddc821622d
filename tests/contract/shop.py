"""The app that the contract suite runs: on real parts, and on the double."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from warrener import Job, Limits, Retry, RetryLater, Unique, Warrener, chord


@dataclass
class Resources:
    """What the lifespan gives."""

    greeting: str


@asynccontextmanager
async def resources() -> AsyncIterator[Resources]:
    """Entered once in each child."""
    yield Resources("good day")


app = Warrener(lifespan=resources)


class Order(BaseModel):
    """An argument with structure."""

    id: uuid.UUID
    placed: datetime
    lines: dict[str, int] = {}


@app.task(queue="shop.fast")
async def add(a: int, b: int = 1) -> int:
    return a + b


@app.task(queue="shop.fast")
def plain_add(a: int, b: int = 1) -> int:
    return a + b


@app.task(queue="shop.fast")
async def echo(order: Order) -> Order:
    assert isinstance(order.placed, datetime)
    return order


@app.task(queue="shop.fast")
async def greet(job: Job[Resources], name: str) -> str:
    await job.report_progress(1, 2, "half way")
    return f"{job.resources.greeting}, {name}: {job.id} attempt {job.attempt} on {job.queue}"


@app.task(queue="shop.slow", retry=Retry(2, base=0.1, jitter=0))
async def flaky(job: Job[Resources], failures: int) -> int:
    if job.attempt <= failures:
        raise ConnectionError(f"attempt {job.attempt} failed")
    return job.attempt


@app.task(queue="shop.slow", retry=Retry(5, on=(ConnectionError,), give_up_on=(BrokenPipeError,)))
def picky(kind: str) -> None:
    raise {"give up": BrokenPipeError, "other": ValueError}[kind](kind)


@app.task(queue="shop.slow", retry=Retry(3))
async def later(job: Job[Resources], delay: float) -> int:
    if job.attempt == 1:
        raise RetryLater(delay)
    return job.attempt


@app.task(queue="shop.fast")
async def fan_out(n: int) -> list[str]:
    handles = await app.send_many([add.s(i) for i in range(n)])
    return [handle.id for handle in handles]


@app.task(queue="shop.fast")
def fan_out_plain(n: int) -> list[str]:
    return [add.send_sync(i).id for i in range(n)]


@app.task(queue="shop.fast")
async def wait_for(other: str) -> int:
    result: int = await app.job(other).result(timeout=1)
    return result


@app.task(queue="shop.fast", retry=Retry(0))
async def wrong_result() -> int:
    return "not a number"  # type: ignore[return-value]


@app.task(queue="shop.slow", soft_time_limit=0.2, retry=Retry(0))
async def too_long() -> None:
    await asyncio.sleep(60)


@app.task(queue="shop.fast", limits=Limits(max_in_flight=1, key="customer"))
async def one_by_one(job: Job[Resources], customer: str) -> None:
    running.append(job.id)
    most_at_once.append(len(running))
    await asyncio.sleep(0.05)
    await job.report_progress(len(running))
    running.remove(job.id)


running: list[str] = []
most_at_once: list[int] = []


@app.task(queue="shop.slow", unique=Unique(by=("site",), expires=600))
async def scan(site: str, depth: int = 1) -> str:
    return f"{site} to {depth}"


@app.task(queue="shop.slow", unique=Unique(expires=600, on_duplicate="error"))
async def clean(site: str, depth: int = 1) -> str:
    return f"{site} to {depth}"


@app.task
async def homeless() -> str:
    """It has no queue of its own, and so the default one."""
    return "default"


@app.task(queue="shop.fast")
async def counts(job: Job[Resources], to: int) -> int:
    for done in range(to + 1):
        await job.report_progress(done, to)
    return to


@app.task(queue="shop.fast")
def counts_plainly(job: Job[Resources], to: int) -> int:
    for done in range(to + 1):
        job.report_progress_sync(done, to)
    return to


@app.task(queue="shop.slow", retry=Retry(0))
async def broken_until_repaired(job: Job[Resources]) -> str:
    if job.generation == 0:
        raise RuntimeError("broken")
    return f"repaired in generation {job.generation}"


@app.task(queue="shop.fast")
async def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(queue="shop.fast")
async def as_they_are(values: list[Any]) -> list[Any]:
    return values


@app.task(queue="shop.slow", retry=Retry(0))
async def add_once_repaired(job: Job[Resources], a: int, b: int = 1) -> int:
    if job.generation == 0:
        raise RuntimeError(f"{a} is broken")
    return a + b


@app.task(queue="shop.fast")
async def start_chord(n: int) -> str:
    return (await chord([add.s(i) for i in range(n)], total.s()).send()).id
