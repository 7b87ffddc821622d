"""What waits for a queue, how old the oldest is and how fast it moves, on the store's own scripts."""

import pytest

from warrener import Settings
from warrener.backlog import Backlog, Backlogs
from warrener.lists import Lists
from warrener.messages import Message
from warrener.stats import Counts, End, Stats
from warrener.store import Store
from warrener.transitions import Transition

from .test_listing import claim, fail, job, submit, succeed

SETTINGS = Settings()
NOW, MINE, OTHERS = 100_000.0, "mine", "others"


@pytest.fixture
def listed(store: Store) -> Store:
    store.attach(Lists(SETTINGS.namespace))
    return store


async def backlog(store: Store, ready: int = 1, queue: str = MINE) -> Backlog:
    return (await Backlogs(SETTINGS, store).of({queue: ready}, NOW))[queue]


async def submitted(store: Store, ages: list[float], queue: str = MINE) -> list[Message]:
    """Jobs that were submitted so many seconds ago."""
    jobs = [job(f"{queue}-{age}", created=NOW - age) for age in ages]
    await store.apply([submit(one, queue) for one in jobs])
    return jobs


async def test_the_oldest_is_the_first_that_has_not_begun(listed: Store) -> None:
    jobs = await submitted(listed, [900 - n for n in range(300)])
    await submitted(listed, [890.5 - n for n in range(300)], OTHERS)
    assert (await backlog(listed)).oldest == 900
    for begun in (1, 7, 8, 150, 299):
        await listed.apply([claim(one, MINE) for one in jobs[:begun]])
        assert (await backlog(listed)).oldest == 900 - begun
    await listed.apply([claim(jobs[-1], MINE)])
    assert (await backlog(listed)).oldest is None
    assert (await backlog(listed, queue=OTHERS)).oldest == 890.5


async def test_nothing_is_searched_in_an_empty_queue(listed: Store) -> None:
    await submitted(listed, [60])
    assert (await backlog(listed, ready=0)).oldest is None


async def test_what_is_due_waits_since_it_was_due_and_what_is_not_is_delayed(listed: Store) -> None:
    late = job("late", created=NOW - 500, due=NOW - 30)
    soon = [job(f"soon-{n}", created=NOW - 500, due=NOW + 30) for n in range(3)]
    await listed.apply([submit(one, MINE) for one in (late, *soon)])
    await listed.apply([submit(soon[0]._replace(job_id="elsewhere"), OTHERS)])
    found = await backlog(listed)
    assert (found.delayed, found.oldest) == (3, 30)
    await listed.apply([claim(late, MINE)])
    assert (await backlog(listed)).oldest is None
    [again] = await submitted(listed, [20])
    await listed.apply([claim(again, MINE), fail_later(again)])
    assert (await backlog(listed)).delayed == 4
    assert (await backlog(listed, queue=OTHERS)).delayed == 1


def fail_later(message: Message) -> Transition:
    move = fail(message, NOW + 5)
    return move._replace(about=(message, MINE))


async def test_the_rates_are_those_of_the_last_minutes(listed: Store) -> None:
    jobs = await submitted(listed, [120, 50, 40, 30])
    await listed.apply([claim(one, MINE) for one in jobs])
    await listed.apply([succeed(one) for one in jobs])
    counts = Counts()
    for _ in range(10):
        counts.ended(End("t", MINE, "succeeded"), 0.1)
    await Stats(SETTINGS, listed).add(NOW - 60, counts)
    found = await backlog(listed)
    assert found.submitted == 3 / 60
    assert found.ended == 10 / (60 + NOW % 60)
    assert (await backlog(listed, queue=OTHERS)).ended == 0
