"""What a chord costs beside the same jobs without one, in rounds that alternate."""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import partial

import redis

from warrener import chord

from .. import tasks
from ..bars import Bar, Found, column, present
from ..draining import drain
from ..ours import own
from ..rounds import Run
from ..sides import Servers, Side, working
from ..watching import PATIENCE, Missing

CHORD = Bar("a chord of 10,000 no-op members, ≤ 1.5 × the same jobs without it", most=1.5)
BARS = (CHORD,)
SLOTS = 100


def measure(run: Run) -> Found:
    """Seconds of both; submitted before the worker starts, timed from the first end of a job to the last
    one's, and for the chord to the end of its body."""
    members = 1000 if run.quick else 10_000
    found, side = Found(), run.ours(SLOTS)
    with run.place("chord") as servers:
        each = run.interleaved(
            "chord",
            {
                "alone": partial(_alone, side, servers, members),
                "as a chord": partial(_chord, side, servers, members),
            },
        )
    seconds = {name: column(all_, 0) for name, all_ in each.items()}
    submitting = {name: column(all_, 1) for name, all_ in each.items()}
    title = f"{members:,} no-op jobs, {SLOTS} slots"
    found.table(title, {"s": seconds, "s to submit": submitting}, count=members)
    both = zip(seconds["as a chord"], seconds["alone"], strict=True)
    times = present([a / b if a and b else None for a, b in both])
    if times:
        middle = statistics.median(times)
        words = (
            f"{middle:.2f} × ({min(times):.2f} – {max(times):.2f}), {members:,} members{run.how}"
        )
        found.judged[CHORD] = (middle, words)
    return found


def _alone(side: Side, servers: Servers, jobs: int) -> list[float]:
    rate, _ = drain(side, servers, SLOTS, jobs)
    return [jobs / rate]


def _chord(side: Side, servers: Servers, members: int) -> list[float]:
    """Seconds to drain, and to submit. Raises Missing."""
    began = time.monotonic()
    with own(servers):
        key = f"warrener:workflow:{{{asyncio.run(_submit(members))}}}"
    submitted = time.monotonic() - began
    given_up = time.monotonic() + PATIENCE
    with redis.Redis.from_url(servers.redis) as store, working(side, servers, SLOTS):
        while not store.hget(key, "done"):
            _pause(given_up, 0.002)
        first = time.monotonic()
        while store.hget(key, "state") != b"SUCCESS":
            _pause(given_up, 0.01)
        return [time.monotonic() - first, submitted]


def _pause(given_up: float, seconds: float) -> None:
    if time.monotonic() > given_up:
        raise Missing("the chord has not ended")
    time.sleep(seconds)


async def _submit(members: int) -> str:
    async with tasks.app as app:
        parts = [tasks.nothing.s() for _ in range(members)]
        return (await app.start(chord(parts, tasks.gathered.s()))).id
