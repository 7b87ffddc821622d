"""Listings on real nodes: what jobs of each state are listed as, by HTTP and by the command line."""

from __future__ import annotations

import orjson

from warrener import State
from warrener.listing import Listing, Wanted
from warrener.reindexing import Reindexer

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true


async def ids(yard: Yard, *states: State, queue: str = "", task: str = "") -> list[str]:
    """What is listed, in its order."""
    listing = Listing(yard.app.settings, yard.client.store)
    page = await listing.page(Wanted(frozenset(states), queue, task))
    assert page.cursor is None
    return [status.id for status in page.jobs]


async def listed(yard: Yard, job_id: str, *states: State) -> None:
    """Wait until it is listed in this state."""

    async def there() -> bool:
        return job_id in await ids(yard, *states)

    await until_true(there, f"{job_id} listed as {states}")


async def test_jobs_are_listed_as_they_go(yard: Yard) -> None:
    waits = (State.SCHEDULED, State.RETRY)
    async with yard.worker("-c", "4"):
        late = await tasks.run.options(countdown=900, id="late").send("late")
        soon = await tasks.run.options(countdown=600, id="soon").send("soon")
        done = await tasks.run.options(id="done").send("done")
        dead = await tasks.broken.options(id="dead").send("dead")
        held = await tasks.wait.options(id="held").send("held", "gate")
        await yard.ended(done, dead)
        await listed(yard, "held", State.STARTED)
        assert await ids(yard, *waits) == ["soon", "late"]
        assert await ids(yard, State.FAILURE) == ["dead"]
        assert await ids(yard, State.SUCCESS) == ["done"]
        assert await ids(yard) == ["held", "dead", "done", "soon", "late"]
        assert await ids(yard, task=tasks.run.name) == ["done", "soon", "late"]
        assert await ids(yard, State.SUCCESS, queue=QUEUE, task=tasks.broken.name) == []
        await soon.revoke()
        assert await ids(yard, *waits) == ["late"]
        assert await ids(yard, State.REVOKED) == ["soon"]
        yard.open("gate")
        await yard.ended(held)
        assert await ids(yard, State.STARTED) == []
        assert set(await ids(yard, State.SUCCESS)) == {"held", "done"}
        await late.revoke()


async def test_a_retry_waits_with_its_time_and_leaves_as_it_runs(yard: Yard) -> None:
    async with yard.worker():
        job = await tasks.fails.options(id="again").send("again", 1)
        await yard.ended(job)
    assert await ids(yard, State.RETRY, State.SCHEDULED) == []
    reindexer = Reindexer(yard.app.settings, yard.client.store, yard.client.clock)
    assert (await reindexer.rebuild()).removed == 0, "the worker took its line off"


async def test_the_lists_of_a_store_that_lost_them_are_made_again(yard: Yard) -> None:
    """By the command line; and what the lists show is what the records say."""
    await tasks.run.options(countdown=600, id="soon").send("soon")
    await tasks.run.options(id="now").send("now")
    keys = [key async for key in yard.client.store.client.scan_iter("warrener:jobs:*")]
    assert keys
    await yard.client.store.client.delete(*keys)
    assert await ids(yard) == []
    async with yard.running("jobs", "reindex", "--json") as reindex:
        assert await reindex.ended() == 0
        assert orjson.loads(reindex.log.removesuffix("(end of output)")) == {
            "records": 2,
            "removed": 0,
        }
    assert sorted(await ids(yard)) == ["now", "soon"]
    assert await ids(yard, State.SCHEDULED) == ["soon"]
