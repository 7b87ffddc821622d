"""What workers count: how runs ended, how long they took, and how full queues are."""

from __future__ import annotations

import time

from warrener.stats import Counts, End, Stats, together

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true


async def _counted(yard: Yard) -> Counts:
    return together(await Stats(yard.app.settings, yard.client.store).minutes(time.time(), 5))


async def test_a_worker_counts_what_became_of_its_runs(yard: Yard) -> None:
    async with yard.worker():
        jobs = [await tasks.run.send("a"), await tasks.run.send("b")]
        yard.open("gate")
        jobs.append(await tasks.gated.send("c", "gate", 1))
        jobs.append(await tasks.gated.send("d", "gate", 2))
        await yard.ended(*jobs)
    # It adds the last of it as it stops.
    counts = await _counted(yard)
    module = tasks.run.name.rpartition(".")[0]
    assert counts.ends == {
        End(f"{module}.run", QUEUE, "succeeded"): 2,
        End(f"{module}.gated", QUEUE, "succeeded"): 1,
        End(f"{module}.gated", QUEUE, "retried"): 2,
        End(f"{module}.gated", QUEUE, "failed"): 1,
    }
    assert sum(counts.runs.values()) == 6
    assert (counts.run_time(1.0) or 0) < 60


async def test_a_worker_notes_how_full_its_queues_are(yard: Yard) -> None:
    async with yard.worker("-c", "1"):
        jobs = [await tasks.wait.send(name, "gate") for name in "abcd"]
        await yard.noted("start a")

        async def seen() -> bool:
            return (await _counted(yard)).depths.get(QUEUE) == 3

        await until_true(seen, "the depth of the queue")
        yard.open("gate")
        await yard.ended(*jobs)
