"""Tasks for a solo worker, on the yard's app: they look where they run, halt, and reach outside."""

from __future__ import annotations

import asyncio
import threading
import time

from warrener import Job, Retry

from .yard import app, note, place, run


def _here() -> str:
    return "main" if threading.current_thread() is threading.main_thread() else "another"


@app.task
async def where() -> str:
    """The thread of a coroutine."""
    await asyncio.sleep(0)
    return _here()


@app.task
def where_plain() -> str:
    """The thread of a plain function, which no running loop must surround."""

    async def inside() -> str:
        return _here()

    return asyncio.run(inside())


@app.task
async def relays(name: str) -> str:
    """A coroutine that submits a job and reads its record."""
    handle = await run.send(name)
    return (await handle.status()).id


@app.task
def relays_plain(job: Job[str], name: str) -> str:
    """The same from a plain function, with progress."""
    job.report_progress_sync(1, 2)
    handle = run.send_sync(name)
    return handle.status_sync().id


@app.task
def halts(name: str) -> str:
    """A plain function that somebody debugs."""
    note("start", name)
    answer = "not this"
    breakpoint()
    return answer


@app.task
async def halts_too(name: str) -> str:
    """A coroutine that somebody debugs."""
    note("start", name)
    answer = "not this"
    breakpoint()
    return answer


@app.task(soft_time_limit=0.1, time_limit=0.2, retry=Retry(0))
def limited(job: Job[str], name: str) -> float | None:
    """Goes on beyond both of its limits."""
    note("start", name)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    return job.deadline


@app.task(soft_time_limit=0.1, time_limit=0.2, retry=Retry(0))
async def limited_too(name: str) -> None:
    """The same for a coroutine."""
    note("start", name)
    await asyncio.sleep(0.5)


@app.task
def stuck(name: str, gate: str) -> None:
    """Holds the main thread in Python until the gate opens."""
    note("start", name)
    while not (place() / gate).exists():
        time.sleep(0.02)
    note("end", name)
