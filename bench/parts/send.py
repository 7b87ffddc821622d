"""Submission: every way to send, each job confirmed, while nobody works."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .. import c_client
from ..bars import OURS, PEERS, Bar, Found, Judged, Rounds, against_fastest, ratio
from ..rounds import Run
from ..sides import Servers, Side, ask

C_CLIENT = Bar("sequential send(), ≥ 0.6 of a C client's sequential confirmed publish", least=0.6)
CONCURRENT = Bar("send(), 200 in flight, ≥ 2 × the fastest peer's confirmed rate", least=2)
BULK = Bar("send_many, ≥ 4 × the fastest peer's confirmed rate", least=4)
BARS = (C_CLIENT, CONCURRENT, BULK)
WAYS = ("one by one", "200 in flight", "send_many")
SLOTS = 100


def measure(run: Run) -> Found:
    """Jobs per second of each side and way, and of the C client."""
    found = Found()
    with run.place("send") as servers:
        measures: dict[str, Callable[[], dict[str, float]]] = {
            side.name: partial(rates, side, servers, run.jobs)
            for side in run.sides(SLOTS)
            if side.name != "Warrener (plain)"  # which is about reading deliveries
        }
        few = max(1, run.jobs // 10)
        measures[c_client.NAME] = partial(c_client.publish, servers, few)
        each = run.interleaved("send", measures)
    ways: dict[str, dict[str, Rounds]] = {
        way: {name: [one.get(way) if one else None for one in all_] for name, all_ in each.items()}
        for way in WAYS
    }
    found.table("Submission, confirmed", {f"{way}, jobs/s": ways[way] for way in WAYS})
    found.judged[C_CLIENT] = ratio(
        ways["one by one"][OURS], ways["one by one"][c_client.NAME], "the C client"
    )
    for bar, way in ((CONCURRENT, "200 in flight"), (BULK, "send_many")):
        found.judged[bar] = _against_all(ways[way][OURS], ways)
    return found


def rates(side: Side, servers: Servers, jobs: int) -> dict[str, float]:
    """Jobs per second by each of its ways."""
    answered: dict[str, float] = ask(side, servers, SLOTS, "send", jobs)
    return answered


def _against_all(ours: Rounds, ways: dict[str, dict[str, Rounds]]) -> Judged:
    """Against the fastest that a peer has by any of its ways."""
    theirs = {
        f"{name}, {way}": rows[name]
        for way, rows in ways.items()
        for name in (*PEERS, "Celery solo")
        if name in rows
    }
    return against_fastest(ours, theirs)
