"""Delayed jobs: how late they begin, alone and beside many that wait for long; and what those cost."""

from __future__ import annotations

import asyncio
import random
import time

from .. import tasks
from ..bars import Bar, Found
from ..figures import percentiles
from ..ours import own
from ..rounds import Run
from ..sides import Servers, working
from ..watching import PATIENCE
from .idle import share

LATE = Bar("200 random delays, p95 ≤ 50 ms late", most=50)
LATE_BESIDE = Bar("the same beside 100,000 waiting jobs, p95 ≤ 50 ms late", most=50)
COST = Bar("100,000 waiting jobs cost an idle worker nothing (≤ 0.5 % of a core more)", most=0.5)
BARS = (LATE, LATE_BESIDE, COST)
SLOTS = 100
JOBS = 200


def measure(run: Run) -> Found:
    """Milliseconds, and percent of a core."""
    found = Found()
    shares: dict[int, float] = {}
    late: dict[str, list[list[float]]] = {}
    for bar, waiting in ((LATE, 0), (LATE_BESIDE, 10_000 if run.quick else 100_000)):
        name = f"beside {waiting:,} others" if waiting else "alone"
        with run.place("delayed") as servers:

            def once(servers: Servers = servers, waiting: int = waiting) -> list[float]:
                return _once(run, servers, waiting)

            figures = run.attempt("delayed", name, once)
        if figures:
            *one, shares[waiting] = figures
            late[name] = [one]
            found.judged[bar] = (one[1], f"p50 {one[0]:.0f}, p95 {one[1]:.0f} ms {name}{run.how}")
    columns = {
        f"{share_}, ms late": {name: [one[place] for one in all_] for name, all_ in late.items()}
        for place, share_ in enumerate(("p50", "p95", "p99"))
    }
    found.table(f"{JOBS} jobs with random delays", columns, count=JOBS)
    if len(shares) == 2:
        before, after = shares.values()
        words = f"{before:.2f} % without, {after:.2f} % beside {max(shares):,}{run.how}"
        found.judged[COST] = (after - before, words)
    return found


def _once(run: Run, servers: Servers, waiting: int) -> list[float]:
    """p50, p95 and p99 of the lateness, and the percent of a core that the worker takes before."""
    side = run.ours(SLOTS)
    seconds, longest = (3.0, 5.0) if run.quick else (20.0, 30.0)
    with own(servers), working(side, servers, SLOTS) as worker:
        asyncio.run(_wait_for_the_worker())
        asyncio.run(_fill(waiting))
        time.sleep(seconds / 4)
        idle = share(worker.pid, seconds)
        return [*percentiles(asyncio.run(_lateness(longest))), idle]


async def _wait_for_the_worker() -> None:
    async with tasks.app:
        await (await tasks.nothing.send()).result(timeout=PATIENCE)


async def _fill(waiting: int) -> None:
    """Jobs that wait for about an hour, spread over the ladder's rungs as they would be in use."""
    chance = random.Random(1)
    async with tasks.app as app:
        hour = [chance.uniform(3000, 4000) for _ in range(waiting)]
        await app.send_many([tasks.nothing.s().options(countdown=one) for one in hour])


async def _lateness(longest: float) -> list[float]:
    """Milliseconds by which jobs with random delays of 0.5 s and more begin late."""
    chance = random.Random(2)
    async with tasks.app:
        handles, due = [], []
        for _ in range(JOBS):
            delay = chance.uniform(0.5, longest)
            due.append(time.time() + delay)
            handles.append(await tasks.nothing.options(countdown=delay).send())
        for handle in handles:
            await handle.result(timeout=PATIENCE)
        started = [(await handle.status()).started or 0.0 for handle in handles]
        return [1000 * (began - at) for began, at in zip(started, due, strict=True)]
