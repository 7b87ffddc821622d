"""The same drain on classic queues."""

from __future__ import annotations

from functools import partial

from ..bars import OURS, Bar, Found, ratio
from ..draining import drain, rates_of
from ..rounds import Run

CELERY = Bar("drain, 1,000 slots, classic queue, ≥ 8 × Celery", least=8)
BARS = (CELERY,)
SLOTS = 1000
WHO = (OURS, "Celery solo", "Dramatiq")


def measure(run: Run) -> Found:
    """No-op jobs."""
    found = Found()
    with run.place("classic", kind="classic") as servers:
        measures = {
            side.name: partial(drain, side, servers, SLOTS, run.jobs)
            for side in run.sides(SLOTS)
            if side.name in WHO
        }
        each = run.interleaved("classic", measures)
    rates = rates_of(each)
    title = f"No-op jobs, {SLOTS:,} slots, classic queues"
    found.table(title, {"jobs/s": rates}, count=run.jobs)
    if "Celery solo" in rates:
        found.judged[CELERY] = ratio(rates[OURS], rates["Celery solo"], "Celery")
    return found
