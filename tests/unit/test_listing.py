"""Lists of jobs beside the records: each state, paging, what no longer fits, rebuilding."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from warrener import CursorError, Settings, State, transitions
from warrener.listing import Listing, Wanted
from warrener.lists import Line, Lists, Name, read
from warrener.messages import Message
from warrener.reindexing import PAUSE, Reindexer
from warrener.store import Store
from warrener.transitions import Transition

from .records import FIRST, JOB, ME, QUEUE, TTLS, failing

SETTINGS = Settings()
NOW = 1_000.0
WAITS = frozenset({State.SCHEDULED, State.RETRY})


@pytest.fixture
def listed(store: Store) -> Store:
    """A store with lists beside it."""
    store.attach(Lists(SETTINGS.namespace))
    return store


def job(job_id: str, **facts: object) -> Message:
    return FIRST._replace(job_id=job_id, **facts)  # type: ignore[arg-type]


def submit(message: Message, queue: str = QUEUE) -> Transition:
    return transitions.submit(message, queue)


def claim(message: Message, queue: str = QUEUE, now: float = 10.0) -> Transition:
    return transitions.claim(message, queue, message.job_id, ME, now, TTLS[1])


def fail(message: Message, due: float | None) -> Transition:
    how = failing(b"{}")
    return transitions.fail(message.job_id, message.job_id, 20.0, how, due, (message, QUEUE))


def succeed(message: Message) -> Transition:
    return transitions.succeed(
        message.job_id, message.job_id, 20.0, b"1", TTLS, about=(message, QUEUE)
    )


async def ids(store: Store, *states: State, queue: str = "", task: str = "") -> list[str]:
    """All that is listed, in order."""
    return [one async for one in pages(store, 100, *states, queue=queue, task=task)]


async def pages(
    store: Store, size: int, *states: State, queue: str = "", task: str = ""
) -> AsyncIterator[str]:
    listing = Listing(SETTINGS, store)
    cursor, first = None, True
    while first or cursor:
        page = await listing.page(Wanted(frozenset(states), queue, task), cursor, size)
        assert len(page.jobs) <= size
        for status in page.jobs:
            yield status.id
        cursor, first = page.cursor, False


async def members(store: Store, name: Name) -> list[str]:
    found: Any = await store.client.zrange(Lists(SETTINGS.namespace).key(name), 0, -1)
    return [member.decode() for member in found]


async def test_a_job_is_listed_in_each_of_its_states(listed: Store) -> None:
    first, second = job(JOB), job(JOB, attempt=2, due=30.0)
    steps: list[tuple[Transition, State]] = [
        (submit(first), State.PENDING),
        (claim(first), State.STARTED),
        (fail(first, 30.0), State.RETRY),
        (claim(second), State.STARTED),
        (fail(second, None), State.FAILURE),
        (transitions.replay(first, QUEUE), State.PENDING),
        (claim(job(JOB, generation=1)), State.STARTED),
        (succeed(first), State.SUCCESS),
    ]
    for move, state in steps:
        await listed.apply([move])
        assert await ids(listed) == [JOB]
        for other in State:
            if State.STARTED not in (state, other):  # workers name those, not a list
                assert await ids(listed, other) == ([JOB] if other is state else []), (state, other)


async def test_what_waits_is_listed_by_when_it_is_due(listed: Store) -> None:
    late, soon, retried = job("late", due=90.0), job("soon", due=40.0), job("retried")
    await listed.apply([submit(late), submit(soon), submit(retried), claim(retried)])
    await listed.apply([fail(retried, 60.0)])
    assert await ids(listed, *WAITS) == ["soon", "retried", "late"]
    assert await ids(listed, State.SCHEDULED) == ["soon", "late"]
    await listed.apply([claim(soon)])
    assert await ids(listed, *WAITS) == ["retried", "late"]
    # A second copy of the first attempt, meanwhile, takes nothing off that waits.
    await listed.apply([claim(retried._replace(due=5.0))])
    assert await ids(listed, *WAITS) == ["retried", "late"]


async def test_every_way_of_being_revoked_is_listed(listed: Store) -> None:
    asked, purged, expired, ran = (job(name) for name in ("asked", "purged", "expired", "ran"))
    await listed.apply([submit(one) for one in (asked, purged, expired, ran)])
    await listed.apply([transitions.ask_revoke("asked", 21.0, "no", TTLS[1], terminate=False)])
    await listed.apply([transitions.revoke(purged, 22.0, "purged", TTLS[1], QUEUE)])
    await listed.apply([claim(expired._replace(expires=23.0), now=23.0), claim(ran)])
    await listed.apply([transitions.ask_revoke("ran", 24.0, "no", TTLS[1], terminate=False)])
    assert sorted(await ids(listed, State.REVOKED)) == ["asked", "expired", "purged"]
    await listed.apply([fail(ran, None)])
    assert sorted(await ids(listed, State.REVOKED)) == ["asked", "expired", "purged", "ran"]
    assert await ids(listed, State.FAILURE) == []
    assert await ids(listed, State.REVOKED, queue=QUEUE, task=FIRST.task) != []


async def test_a_job_of_another_client_is_listed_once_it_is_claimed(listed: Store) -> None:
    await listed.apply([claim(job("theirs", foreign=True))])
    assert await ids(listed) == ["theirs"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_follow_each_other_without_gap_or_repeat(listed: Store, size: int) -> None:
    """Jobs of one moment among them: their order is that of their ids."""
    jobs = [job(f"j{n:02}", created=float(n // 5)) for n in range(23)]
    await listed.apply([submit(one) for one in jobs])
    found = [one async for one in pages(listed, size)]
    assert found == sorted((one.job_id for one in jobs), key=lambda i: (int(i[1:]) // 5, i))[::-1]


async def test_filters_hold_together(listed: Store) -> None:
    mail, other = job("mail"), job("other", task="shop.a b")
    await listed.apply([submit(mail, "a"), submit(other._replace(job_id="x"), "b")])
    await listed.apply([submit(other, "a"), claim(mail, "a"), succeed(mail)])
    assert await ids(listed, queue="a") == ["other", "mail"]
    assert await ids(listed, task="shop.a b") == ["x", "other"]
    assert await ids(listed, queue="a", task="shop.a b") == ["other"]
    assert await ids(listed, State.SUCCESS, queue="a") == ["mail"]
    assert await ids(listed, queue="none") == []


async def test_pages_find_the_few_among_the_many(
    listed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page reads so many records and no more; the next one goes on from there."""
    monkeypatch.setattr("warrener.listing.READ_AT_MOST", 10)
    jobs = [job(f"j{n:02}", created=float(n)) for n in range(50)]
    await listed.apply([submit(one) for one in jobs])
    await listed.apply([claim(jobs[3]), succeed(jobs[3])])
    page = await Listing(SETTINGS, listed).page(Wanted(frozenset({State.SUCCESS})), None, 5)
    assert page.jobs == []
    assert page.cursor
    assert await ids(listed, State.SUCCESS) == ["j03"]


@pytest.mark.parametrize("cursor", ["x", "!", "W10", "WzEsMl0", "WyJuYW4iLCJhIDAuMSBxIHQiXQ"])
async def test_a_cursor_that_is_none_is_refused(listed: Store, cursor: str) -> None:
    with pytest.raises(CursorError, match="is no cursor"):
        await Listing(SETTINGS, listed).page(Wanted(), cursor)


async def test_all_lists_are_made_again_from_the_records(store: Store) -> None:
    """The moves were made without lists; and a list has what no record says."""
    waiting, failed, done = job("waiting", due=90.0), job("failed"), job("done")
    retried, revoked = job("retried"), job("revoked")
    await store.apply([submit(one) for one in (waiting, failed, done, retried, revoked)])
    await store.apply([claim(one) for one in (failed, done, retried)])
    await store.apply([fail(failed, None), succeed(done), fail(retried, 40.0)])
    await store.apply([transitions.ask_revoke("revoked", 1.0, "no", TTLS[1], terminate=False)])
    lists = Lists(SETTINGS.namespace)
    stray = Line("gone", 0, 1, QUEUE, "t").member
    await store.send([("ZADD", lists.key(name), 5.0, stray) for name in Name])
    done_report = await Reindexer(SETTINGS, store, lambda: NOW).rebuild()
    assert (done_report.records, done_report.removed) == (5, 4)
    everything = ["done", "failed", "retried", "revoked", "waiting"]
    assert sorted(await ids(store)) == everything
    assert await ids(store, *WAITS) == ["retried", "waiting"]
    assert await ids(store, State.FAILURE) == ["failed"]
    assert await ids(store, State.REVOKED) == ["revoked"]
    assert (await Reindexer(SETTINGS, store, lambda: NOW).rebuild()).removed == 0


async def test_what_no_longer_fits_is_taken_off_in_time(listed: Store) -> None:
    """One whose record has lapsed, one that ran, one that was replayed; and none that is still to be."""
    now = SETTINGS.dedupe_ttl + 5_000.0
    lapsed, ran, replayed = job("lapsed"), job("ran", due=40.0), job("replayed")
    young, waits = job("young", created=now), job("waits", due=now + PAUSE)
    await listed.apply([submit(one) for one in (lapsed, ran, replayed, young, waits)])
    await listed.apply([claim(replayed), fail(replayed, None), transitions.replay(replayed, QUEUE)])
    # As when the submission was recorded after the claim.
    await listed.apply([claim(ran)])
    await listed.apply([submit(ran)])
    await listed.client.delete(listed.keys.job("lapsed"), listed.keys.job("young"))
    assert await Reindexer(SETTINGS, listed, lambda: now).tidy() == 3
    left = [read(member).job_id for member in await members(listed, Name.ALL)]
    assert sorted(left) == ["ran", "replayed", "waits", "young"]
    assert [read(m).job_id for m in await members(listed, Name.WAITING)] == ["waits"]
    assert await members(listed, Name.FAILED) == []


async def test_one_process_tidies_at_a_time(listed: Store) -> None:
    tidies = [Reindexer(SETTINGS, listed, lambda: NOW) for _ in range(2)]
    await listed.apply([submit(job("failed")), claim(job("failed")), fail(job("failed"), None)])
    await listed.client.delete(listed.keys.job("failed"))
    assert [await one.tidy() for one in tidies] == [1, 0]
