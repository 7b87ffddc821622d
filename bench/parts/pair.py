"""Two workers against one."""

from __future__ import annotations

from functools import partial

from ..bars import Bar, Found, ratio
from ..draining import drain, rates_of
from ..rounds import Run

TWO = Bar("two workers against one, 100 slots each")
BARS = (TWO,)
SLOTS = 100


def measure(run: Run) -> Found:
    """No-op jobs on one queue."""
    found, side = Found(), run.ours(SLOTS)
    with run.place("pair") as servers:
        measures = {
            name: partial(drain, side, servers, SLOTS, run.jobs, workers)
            for name, workers in (("one", 1), ("two", 2))
        }
        each = run.interleaved("workers", measures)
    rates = rates_of(each)
    found.table(f"Workers, {SLOTS} slots each", {"jobs/s": rates}, count=run.jobs)
    found.judged[TWO] = ratio(rates["two"], rates["one"])
    return found
