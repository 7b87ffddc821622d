"""Memory of a worker over a million jobs, which are submitted while it drains."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

from warrener.store import Keys

from .. import tasks
from ..bars import Bar, Found
from ..ours import own
from ..rounds import Run
from ..sides import Side, working
from ..watching import Results
from .idle import resident

FLAT = Bar(
    "memory over 1,000,000 jobs, ≤ 5 % more after the first 50,000, parent and child", most=5
)
BARS = (FLAT,)
SLOTS = 100
CHUNK = 10_000
AHEAD = 2
"""Chunks that may wait: the worker never idles, and Redis and RabbitMQ do not fill up."""
FORGET = {"WARRENER_RESULT_TTL": "30", "WARRENER_DEDUPE_TTL": "60"}
"""Seconds: a million records are not what this is about."""
Sizes = list[tuple[int, list[float]]]
"""MiB of the parent and of the child after so many jobs."""


def measure(run: Run) -> Found:
    """MiB after the first 50,000 and at the end."""
    jobs, settled = (40_000, 20_000) if run.quick else (1_000_000, 50_000)
    ours = run.ours(SLOTS)
    side = replace(ours, more={**ours.more, **FORGET})
    found = Found()
    with run.place("memory") as servers, own(servers), working(side, servers, SLOTS) as worker:
        results = Results(servers)
        sizes = run.attempt(
            "memory", "Warrener", lambda: asyncio.run(_sizes(results, side, worker.pid, jobs))
        )
    if not sizes:
        return found
    before = next(one for count, one in sizes if count >= settled)
    after = sizes[-1][1]
    names = ("parent", "child")
    found.table(
        f"Memory over {jobs:,} jobs",
        {
            f"MiB after {settled:,}": {n: [b] for n, b in zip(names, before, strict=False)},
            "MiB at the end": {n: [a] for n, a in zip(names, after, strict=False)},
        },
        count=jobs,
        series={n: [[c, one[i]] for c, one in sizes] for i, n in enumerate(names)},
    )
    more = max(100 * (a - b) / b for b, a in zip(before, after, strict=True))
    words = f"{more:+.1f} % ({_said(before)} MiB after {settled:,}, {_said(after)} at {jobs:,}){run.how}"
    found.judged[FLAT] = (more, words)
    return found


async def _sizes(results: Results, side: Side, pid: int, jobs: int) -> Sizes:
    """Raises Missing."""
    found: Sizes = []
    waiting: deque[list[str]] = deque()
    keys, call = Keys(tasks.app.settings.namespace), tasks.nothing.s()

    async def settle() -> None:
        await asyncio.to_thread(results.until_all, side, waiting.popleft())
        found.append(((len(found) + 1) * CHUNK, resident(pid)))

    async with tasks.app as app:
        for _ in range(jobs // CHUNK):
            handles = await app.send_many([call] * CHUNK)
            waiting.append([keys.job(handle.id) for handle in handles])
            if len(waiting) > AHEAD:
                await settle()
        while waiting:
            await settle()
    return found


def _said(each: list[float]) -> str:
    return " + ".join(f"{one:.1f}" for one in each)
