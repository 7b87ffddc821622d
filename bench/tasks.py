"""What Warrener's side of the bench runs."""

from __future__ import annotations

import asyncio
import os
import sys

from warrener import Warrener
from warrener.store import Keys

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


async def submit(count: int, seconds: float) -> None:
    """Submit so many, and print where their records are."""
    call = nap.s(seconds) if seconds else nothing.s()
    keys = Keys(app.settings.namespace)
    async with app:
        for begun in range(0, count, 1000):
            for handle in await app.send_many([call] * min(1000, count - begun)):
                print(keys.job(handle.id))


if __name__ == "__main__":
    asyncio.run(submit(int(sys.argv[1]), float(sys.argv[2])))
