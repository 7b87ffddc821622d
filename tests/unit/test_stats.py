"""The counts of each minute: added up, kept apart, and read as run times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warrener import Settings
from warrener.stats import Counts, End, Stats, bound_of, bucket_of, together
from warrener.store import Store

END = End("shop.add", "shop", "succeeded")


@given(st.floats(min_value=0.001, max_value=1e7))
def test_a_run_time_is_in_the_first_bucket_that_holds_it(seconds: float) -> None:
    bucket = bucket_of(seconds)
    assert seconds <= bound_of(bucket) * (1 + 1e-9)
    assert bucket == 0 or seconds > bound_of(bucket - 1) * (1 - 1e-9)


def test_run_times_are_read_to_the_bound_of_their_bucket() -> None:
    counts = Counts()
    assert counts.run_time(0.5) is None
    for milliseconds in range(1, 101):
        counts.ended(END, milliseconds / 1000)
    for quantile, wanted in ((0.5, 0.050), (0.95, 0.095), (1.0, 0.100)):
        found = counts.run_time(quantile)
        assert found is not None
        assert wanted <= found <= wanted * 1.2


async def test_counts_of_several_workers_are_added_minute_by_minute(store: Store) -> None:
    stats = Stats(Settings(), store)
    one, other = Counts(depths={"shop": 7}), Counts()
    one.ended(END, 0.1)
    other.ended(END, 0.1)
    other.ended(End("shop.add", "shop", "failed"), 2.0)
    await stats.add(600.0, one)
    await stats.add(659.9, other)
    await stats.add(660.0, one)
    before, first, second = await stats.minutes(661.0, 3)
    assert before == Counts()
    assert first.ends == {END: 2, End("shop.add", "shop", "failed"): 1}
    assert first.runs == {("shop", bucket_of(0.1)): 2, ("shop", bucket_of(2.0)): 1}
    assert second.ends == {END: 1}
    assert second.depths == {"shop": 7}
    whole = together([first, second])
    assert (whole.total("succeeded"), whole.total("failed"), whole.total()) == (3, 1, 0)
    assert whole.depths == {"shop": 7}


async def test_minutes_are_forgotten_after_a_day(store: Store) -> None:
    counts = Counts()
    counts.ended(END, 0.1)
    await Stats(Settings(), store).add(600.0, counts)
    assert 24 * 3600 <= await store.client.ttl("warrener:stats:10") <= 25 * 3600


async def test_what_another_version_counts_is_passed_over(store: Store) -> None:
    await store.client.hset("warrener:stats:10", "novelty\x1fx", "much")
    assert await Stats(Settings(), store).minutes(600.0, 1) == [Counts()]


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.0005])
def test_what_took_no_time_is_in_the_first_bucket(seconds: float) -> None:
    assert bucket_of(seconds) == 0
