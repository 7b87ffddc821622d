"""A queue of 1,000 jobs against one of 1,000,000."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from warrener.store import Keys

from .. import tasks
from ..bars import Bar, Found, ratio
from ..ours import own
from ..rounds import Run
from ..sides import Servers, Side, submit, working
from ..watching import PATIENCE, PAUSE, Missing, Results

DEPTH = Bar("queue depth 1,000,000 against 1,000, no slowdown (≥ 0.9)", least=0.9)
BARS = (DEPTH,)
SLOTS = 100
SHALLOW = 1000
HEAD = 200
"""So many jobs are left out at the beginning, until all slots have begun."""
TIMED = 700
"""So many are timed."""
WINDOW = 3000
"""They are counted among so many: jobs end in about the order in which they were sent, and no more."""
CHUNK = 10_000


def measure(run: Run) -> Found:
    """The rate of the first jobs of each, in turns: the deep one stays deep."""
    depth = 20_000 if run.quick else 1_000_000
    found, side = Found(), run.ours(SLOTS)
    with run.place("shallow") as shallow, run.place("deep", database=1) as deep:
        run.console.print(f"depth: submitting {depth:,} jobs")
        with own(deep):
            keys = asyncio.run(_fill(depth))
        each = run.interleaved(
            "depth",
            {
                f"{SHALLOW:,}": partial(_shallow, side, shallow),
                f"{depth:,}": partial(_deep, side, deep, keys),
            },
        )
    found.table(f"Depth of the queue, {SLOTS} slots", {"jobs/s": each}, count=SHALLOW)
    middle, words = ratio(each[f"{depth:,}"], each[f"{SHALLOW:,}"])
    found.judged[DEPTH] = (middle, f"{words}, depth {depth:,}{run.how}")
    return found


def _shallow(side: Side, servers: Servers) -> float:
    results = Results(servers)
    results.forget()
    return _rate(side, servers, results, submit(side, servers, SLOTS, SHALLOW, 0))


def _deep(side: Side, servers: Servers, keys: Sequence[str]) -> float:
    """From where the last round ended; what its worker handed back is behind all others."""
    results = Results(servers)
    return _rate(side, servers, results, results.unfinished(side, keys)[:WINDOW])


def _rate(side: Side, servers: Servers, results: Results, keys: Sequence[str]) -> float:
    """Jobs per second, of those timed. Raises Missing."""
    given_up = time.monotonic() + PATIENCE

    def left_at_most(most: int) -> int:
        while (left := len(results.unfinished(side, keys))) > most:
            if worker.poll() is not None or time.monotonic() > given_up:
                raise Missing(f"{side.name}: {left} results are missing")
            time.sleep(PAUSE)
        return left

    with working(side, servers, SLOTS) as worker:
        before = left_at_most(len(keys) - HEAD)
        first = time.monotonic()
        after = left_at_most(max(0, before - TIMED))
        return (before - after) / (time.monotonic() - first)


async def _fill(depth: int) -> list[str]:
    """The records' keys."""
    keys, found = Keys(tasks.app.settings.namespace), list[str]()
    async with tasks.app as app:
        for _ in range(depth // CHUNK):
            handles = await app.send_many([tasks.nothing.s()] * CHUNK)
            found += [keys.job(handle.id) for handle in handles]
    return found
