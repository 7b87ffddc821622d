"""Retry policies: the waits between attempts, and which exceptions they cover."""

import math
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warrener import Retry, RetryLater
from warrener.errors import ConfigurationError
from warrener.retry import NEVER, Backoff

seconds = st.floats(0, 1e6)
fractions = st.floats(0, 1)
attempts = st.integers(1, 10**6)
backoffs = st.builds(Backoff, st.integers(0, 100), seconds, st.floats(0, 10), seconds, fractions)


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@given(backoffs, attempts, st.randoms(use_true_random=False))
@example(Backoff(3, 1.0, 10.0, 60.0, 1.0), 10**6, random.Random(0))
def test_a_wait_is_never_negative_and_at_most_the_maximum_and_its_jitter(
    backoff: Backoff, attempt: int, chance: random.Random
) -> None:
    wait = backoff.delay(attempt, chance.uniform)
    assert math.isfinite(wait)
    assert 0 <= wait <= backoff.maximum * (1 + backoff.jitter)


@given(backoffs, attempts)
def test_without_jitter_the_maximum_is_a_cap(backoff: Backoff, attempt: int) -> None:
    assert 0 <= backoff.delay(attempt, middle) <= backoff.maximum


@given(backoffs, st.integers(1, 100))
def test_without_jitter_the_waits_are_exponential_up_to_the_cap(
    backoff: Backoff, attempt: int
) -> None:
    plain = backoff.base * backoff.factor ** (attempt - 1)
    assert backoff.delay(attempt, middle) == min(plain, backoff.maximum)


@given(seconds, st.floats(1, 10), seconds, st.lists(attempts, min_size=2))
def test_without_jitter_waits_never_get_shorter(
    base: float, factor: float, maximum: float, numbers: list[int]
) -> None:
    backoff = Backoff(3, base, factor, maximum, 0.0)
    waits = [backoff.delay(n) for n in sorted(numbers)]
    assert waits == sorted(waits)


@given(backoffs, attempts, st.booleans())
def test_jitter_moves_a_wait_by_its_fraction_at_most(
    backoff: Backoff, attempt: int, up: bool
) -> None:
    plain = backoff.delay(attempt, middle)
    moved = backoff.delay(attempt, lambda low, high: high if up else low)
    expected = plain * (1 + backoff.jitter if up else 1 - backoff.jitter)
    assert moved == pytest.approx(expected)


def test_jitter_spreads_retries() -> None:
    chance = random.Random(0)
    waits = {Retry().backoff.delay(1, chance.uniform) for _ in range(100)}
    assert len(waits) == 100
    assert min(waits) < 0.8 < 1.2 < max(waits)


@pytest.mark.parametrize("factor", [2, 10, 1_000, 10_000, 1e300])
def test_no_factor_overflows(factor: float) -> None:
    backoff = Retry(factor=factor, maximum=60.0, jitter=0.0).backoff
    assert [backoff.delay(n) for n in (1, 10**6)] == [1.0, 60.0]


def test_the_defaults_wait_one_two_four_seconds() -> None:
    backoff = Retry().backoff
    assert backoff.limit == 3
    assert [backoff.delay(n, middle) for n in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert backoff.delay(10**6, middle) == 3600.0


@pytest.mark.parametrize("name", ["limit", "base", "factor", "maximum", "jitter"])
def test_negative_numbers_are_refused(name: str) -> None:
    negative: Any = {name: -1}
    with pytest.raises(ConfigurationError, match="negative"):
        Retry(**negative)


def test_a_jitter_above_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="jitter"):
        Retry(jitter=1.01)


@pytest.mark.parametrize(
    "policy, error, covered",
    [
        (Retry(), ValueError(), True),
        (Retry(), KeyboardInterrupt(), False),
        (Retry(on=(OSError,)), ConnectionError(), True),
        (Retry(on=(OSError,)), ValueError(), False),
        (Retry(give_up_on=(LookupError,)), KeyError(), False),
        (Retry(give_up_on=(LookupError,)), ValueError(), True),
        (Retry(on=(OSError,), give_up_on=(ConnectionError,)), ConnectionResetError(), False),
        (Retry(on=(OSError,), give_up_on=(ConnectionError,)), FileNotFoundError(), True),
        (Retry(on=(SystemExit,)), SystemExit(), True),
        (Retry(on=()), RetryLater(5), True),
        (Retry(give_up_on=(Exception,)), RetryLater(5), True),
        (NEVER, ValueError(), True),
    ],
)
def test_which_exceptions_a_policy_covers(
    policy: Retry, error: BaseException, covered: bool
) -> None:
    assert policy.covers(error) is covered


def test_policies_compare_by_what_they_say() -> None:
    assert Retry(5, on=(OSError,)) == Retry(5, on=(OSError,))
    assert Retry(5) != Retry(4)
    assert Retry(5) != Retry(5, on=(OSError,))
    assert Retry(5) != "Retry(5)"


def test_a_policy_shows_what_it_retries() -> None:
    shown = repr(Retry(5, on=(OSError,), give_up_on=(FileNotFoundError,)))
    assert "5" in shown
    assert "OSError" in shown
    assert "FileNotFoundError" in shown


@pytest.mark.parametrize(
    "given", [ConnectionError, [ConnectionError], (ConnectionError,), {ConnectionError}]
)
def test_exceptions_may_come_alone_or_in_any_collection(given: Any) -> None:
    assert Retry(on=given).covers(ConnectionResetError())
    assert not Retry(on=given).covers(ValueError())
    assert not Retry(give_up_on=given).covers(ConnectionResetError())


@pytest.mark.parametrize("given", [(1,), ["ConnectionError"], (int,), [ValueError()]])
def test_what_is_no_exception_class_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="take exception classes"):
        Retry(on=given)
