"""From submission to the result as its submitter sees it, one job after another, the worker idle."""

from __future__ import annotations

import statistics
from functools import partial

from ..bars import OURS, Bar, Found, column, present
from ..figures import percentiles
from ..rounds import Run
from ..sides import Servers, Side, ask, working

DRAMATIQ = Bar("submit → result, idle worker: p50, p95 and p99 no worse than Dramatiq's", most=1)
BARS = (DRAMATIQ,)
SLOTS = 100
SHARES = ("p50", "p95", "p99")


def measure(run: Run) -> Found:
    """Milliseconds, each by its framework's own way to wait."""
    jobs = 100 if run.quick else 500
    found = Found()
    with run.place("latency") as servers:
        measures = {side.name: partial(latency, side, servers, jobs) for side in run.sides(SLOTS)}
        each = run.interleaved("latency", measures)
    columns = {
        f"{share}, ms": {name: column(all_, place) for name, all_ in each.items()}
        for place, share in enumerate(SHARES)
    }
    found.table("Submission to result, idle worker", columns, count=jobs)
    middles = {name: _middles(each[name]) for name in (OURS, "Dramatiq") if name in each}
    mine, theirs = middles.get(OURS), middles.get("Dramatiq")
    if mine and theirs:
        worst = max(a / b for a, b in zip(mine, theirs, strict=True))
        words = f"{_said(mine)} ms, Dramatiq {_said(theirs)} ms{run.how}"
        found.judged[DRAMATIQ] = (worst, words)
    return found


def latency(side: Side, servers: Servers, jobs: int) -> list[float]:
    """p50, p95 and p99, milliseconds."""
    with working(side, servers, SLOTS):
        return percentiles(ask(side, servers, SLOTS, "latency", jobs))


def _middles(rounds: list[list[float] | None]) -> list[float]:
    """The median of each over the rounds; empty if there were none."""
    each = [present(column(rounds, place)) for place in range(len(SHARES))]
    return [statistics.median(one) for one in each if one]


def _said(each: list[float]) -> str:
    return " / ".join(f"{one:.2f}" for one in each)
