"""What Warrener's side of the bench runs."""

from __future__ import annotations

import asyncio
import os

from warrener import Warrener
from warrener.store import Keys

from .peers.asking import answer_async

app = Warrener()

if os.environ.get("BENCH_TRACED"):
    from opentelemetry import trace as otel
    from opentelemetry.sdk.trace import TracerProvider

    from warrener import tracing

    # Spans are made and ended, and go nowhere: an exporter's cost is its own.
    otel.set_tracer_provider(TracerProvider())
    tracing.trace(app)


@app.task(queue="bench")
async def nothing() -> None:
    """A job that costs nothing, so that what is measured is the framework."""


@app.task(queue="bench")
async def gathered(nothings: list[None]) -> int:
    """The body of a chord."""
    return len(nothings)


@app.task(queue="bench")
async def nap(seconds: float) -> None:
    """A job that waits."""
    await asyncio.sleep(seconds)


async def send(seconds: float) -> str:
    """Submit one; its record's key."""
    handle = await (nap.send(seconds) if seconds else nothing.send())
    return Keys(app.settings.namespace).job(handle.id)


async def many(count: int, seconds: float) -> list[str]:
    """Submit so many at once; their records' keys."""
    call = nap.s(seconds) if seconds else nothing.s()
    keys = Keys(app.settings.namespace)
    return [keys.job(handle.id) for handle in await app.send_many([call] * count)]


async def wait() -> None:
    """Submit one, and wait for its result."""
    await (await nothing.send()).result(timeout=60)


if __name__ == "__main__":
    answer_async(lambda: app, send, wait, many)
