"""A worker that has nothing to do."""

from __future__ import annotations

import statistics
import time
from functools import partial

import psutil

from ..bars import OURS, Bar, Found, column, present
from ..draining import Costs
from ..rounds import Run
from ..sides import Servers, Side, working

IDLE = Bar("an idle worker, ≤ 1 % of a core; its memory beside the peers'", most=1)
BARS = (IDLE,)
SLOTS = 100
SETTLING = 8.0
"""Seconds until a worker that has just begun is idle."""


def measure(run: Run) -> Found:
    """Percent of a core and MiB of each side. One round: it is no race."""
    settling, seconds = (4.0, 3.0) if run.quick else (SETTLING, 30.0)
    found = Found()
    with run.place("idle") as servers:
        measures = {
            side.name: partial(idle, side, servers, settling, seconds) for side in run.sides(SLOTS)
        }
        each = run.with_rounds(1).interleaved("idle", measures)
    shares = {name: column(one, 0) for name, one in each.items()}
    memory = {name: column(one, 1) for name, one in each.items()}
    found.table("An idle worker", {"% of a core": shares, "MiB": memory}, count=1)
    if mine := present(shares[OURS]):
        middle = statistics.median(mine)
        others = ", ".join(
            f"{name} {one[0]:.0f}" for name, all_ in memory.items() if (one := present(all_))
        )
        found.judged[IDLE] = (middle, f"{middle:.2f} % of a core; MiB: {others}{run.how}")
    return found


def idle(side: Side, servers: Servers, settling: float, seconds: float) -> tuple[float, float]:
    """Percent of a core, and MiB of its processes together (shared pages counted in each)."""
    with working(side, servers, SLOTS) as worker:
        time.sleep(settling)
        return share(worker.pid, seconds), sum(resident(worker.pid))


def share(pid: int, seconds: float) -> float:
    """Percent of a core that a worker and its children take during so many seconds."""
    costs = Costs(pid)
    time.sleep(seconds)
    return sum(costs.microseconds(1)) / 1e4 / seconds


def resident(pid: int) -> list[float]:
    """MiB of a worker, and of each of its children."""
    parent = psutil.Process(pid)
    everyone = [parent, *parent.children(recursive=True)]
    return [float(one.memory_info().rss) / 2**20 for one in everyone]
