"""Jobs that wait 100 ms, on 100 slots."""

from __future__ import annotations

import statistics
import time
from functools import partial

from ..bars import OURS, Bar, Found, present
from ..draining import until_first
from ..rounds import Run
from ..sides import Servers, Side, submit, working
from ..watching import Results

IDEAL = Bar("5,000 jobs of 100 ms on 100 slots, within 5 % of the ideal", most=1.05)
BARS = (IDEAL,)
SLOTS = 100
SECONDS = 0.1


def measure(run: Run) -> Found:
    """Seconds of each side that has slots: Celery's solo pool has one."""
    count = 500 if run.quick else 5000
    ideal = count * SECONDS / SLOTS
    found = Found()
    with run.place("naps") as servers:
        measures = {
            side.name: partial(naps, side, servers, count)
            for side in run.sides(SLOTS)
            if side.name != "Celery solo"
        }
        each = run.interleaved("naps", measures)
    title = f"{count:,} jobs of 100 ms, {SLOTS} slots; ideal {ideal:g} s"
    found.table(title, {"s": each}, count=count)
    if mine := present(each[OURS]):
        middle = statistics.median(mine)
        words = f"{middle:.2f} s ({min(mine):.2f} – {max(mine):.2f}), ideal {ideal:.2f} s{run.how}"
        found.judged[IDEAL] = (middle / ideal, words)
    return found


def naps(side: Side, servers: Servers, jobs: int) -> float:
    """Seconds from the first result to the last of jobs that wait, and the wait of the first. Raises
    Missing."""
    results = Results(servers)
    results.forget()
    keys = submit(side, servers, SLOTS, jobs, SECONDS)
    with working(side, servers, SLOTS) as worker:
        until_first(results, side, keys, worker)
        first = time.monotonic()
        return results.until_all(side, keys) - first + SECONDS
