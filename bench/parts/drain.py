"""The headline: one worker drains no-op jobs from a quorum queue. A C client that only consumes and
acknowledges the same messages shows what the broker gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .. import c_client
from ..bars import OURS, PEERS, Bar, Found, against_fastest, column, ratio
from ..draining import Drained, drain, rates_of
from ..rounds import Run
from ..sides import REFERENCES

CELERY = {
    1000: Bar("drain, 1,000 slots, quorum queue, ≥ 15 × Celery", least=15),
    100: Bar("drain, 100 slots, quorum queue, ≥ 10 × Celery", least=10),
}
FASTEST = Bar("drain, 1,000 slots, quorum queue, ≥ 6 × the fastest peer", least=6)
C_CLIENT = Bar(
    "drain, 1,000 slots, beside a C client that acknowledges each (aim ≥ 0.3)", least=0.3
)
BARS = (*CELERY.values(), FASTEST, C_CLIENT)
HEADLINE = 1000


def measure(run: Run) -> Found:
    """No-op jobs, on each number of slots."""
    found = Found()
    for slots in run.slots:
        _on(run, slots, found)
    return found


def _on(run: Run, slots: int, found: Found) -> None:
    # What is there for reference alone need not be there twice.
    headline = slots >= HEADLINE
    sides = run.sides(slots, without=() if headline else REFERENCES)
    with run.place(f"drain-{slots}") as servers:
        measures: dict[str, Callable[[], Drained]] = {
            side.name: partial(drain, side, servers, slots, run.jobs) for side in sides
        }
        if headline:
            ours = run.ours(slots)
            measures[c_client.NAME] = partial(c_client.drain, ours, servers, slots, run.jobs)
        each = run.interleaved(f"drain {slots}", measures)
    rates = rates_of(each)
    costs = {name: [one and one[1] for one in all_] for name, all_ in each.items()}
    found.table(
        f"No-op jobs, {slots:,} slots, quorum queues",
        {
            "jobs/s": rates,
            "worker's CPU µs a job": {name: column(one, 0) for name, one in costs.items()},
            "its children's": {
                name: [sum(one[1:]) if one else None for one in all_]
                for name, all_ in costs.items()
            },
        },
        count=run.jobs,
    )
    mine = rates[OURS]
    if slots in CELERY and "Celery solo" in rates:
        found.judged[CELERY[slots]] = ratio(mine, rates["Celery solo"], "Celery")
    if headline:
        peers = {name: rates[name] for name in PEERS if name in rates}
        found.judged[FASTEST] = against_fastest(mine, peers)
        found.judged[C_CLIENT] = ratio(mine, rates[c_client.NAME], "the C client")
