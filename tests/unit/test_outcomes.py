"""Decisions: every outcome under every policy."""

from typing import Any

import pytest

from warrener.messages import Message
from warrener.records import JobError
from warrener.retry import Backoff
from warrener_workers.outcomes import (
    Again,
    Bury,
    Complete,
    Decision,
    Failed,
    Lost,
    Outcome,
    Rerun,
    Succeeded,
    TimedOut,
    decide,
    worker_lost,
)
from warrener_workers.registry import TaskSpec

NOW, GRACE = 1_000_000.0, 600.0
ERROR = JobError("ValueError", "no", "Traceback …")
TOO_LONG = JobError(
    "TimeLimitExceeded",
    "The job ran longer than its time limit of 5.0 s, and its process was ended.",
    reason="time_limit",
)


def decided(
    outcome: Outcome,
    attempt: int = 1,
    limit: int = 2,
    max_losses: int = 3,
    uniform: Any = lambda low, high: 0.0,
) -> Decision:
    backoff = Backoff(limit, base=10.0, factor=3.0, maximum=60.0, jitter=0.5)
    spec = TaskSpec("t", "q", backoff, time_limit=5.0, max_losses=max_losses, isolate=False)
    message = Message("job", "t", b"{}", attempt=attempt)
    return decide(outcome, message, spec, NOW, GRACE, uniform)


@pytest.mark.parametrize("attempt", [1, 2, 3, 100])
@pytest.mark.parametrize("limit", [0, 2])
@pytest.mark.parametrize("max_losses", [0, 3])
def test_success_completes_whatever_the_policy(attempt: int, limit: int, max_losses: int) -> None:
    assert decided(Succeeded(b"1"), attempt, limit, max_losses) == Complete(b"1")


@pytest.mark.parametrize(
    "attempt, limit, expected",
    [
        (1, 0, Bury(ERROR)),
        (1, 1, Again(ERROR, 10.0)),
        (2, 1, Bury(ERROR)),
        (2, 2, Again(ERROR, 30.0)),
        (3, 3, Again(ERROR, 60.0)),
        (4, 3, Bury(ERROR)),
        (10**6, 10**6, Again(ERROR, 60.0)),
    ],
)
def test_a_retryable_failure_runs_again_up_to_the_limit(
    attempt: int, limit: int, expected: Decision
) -> None:
    assert decided(Failed(ERROR, retryable=True), attempt, limit) == expected


@pytest.mark.parametrize("attempt", [1, 2, 3])
@pytest.mark.parametrize("delay", [None, 5.0])
def test_a_failure_that_the_policy_does_not_cover_is_buried(
    attempt: int, delay: float | None
) -> None:
    assert decided(Failed(ERROR, retryable=False, delay=delay), attempt) == Bury(ERROR)


@pytest.mark.parametrize(
    "attempt, delay, expected",
    [
        (1, 5.0, Again(ERROR, 5.0)),
        (2, 0.0, Again(ERROR, 0.0)),
        (1, -5.0, Again(ERROR, 0.0)),
        (1, 1e9, Again(ERROR, 1e9)),
        (3, 5.0, Bury(ERROR)),
    ],
)
def test_retry_later_waits_as_long_as_it_says_and_counts_as_an_attempt(
    attempt: int, delay: float, expected: Decision
) -> None:
    assert decided(Failed(ERROR, retryable=True, delay=delay), attempt) == expected


@pytest.mark.parametrize(
    "attempt, limit, expected",
    [
        (1, 0, Bury(TOO_LONG)),
        (1, 2, Again(TOO_LONG, 10.0)),
        (2, 2, Again(TOO_LONG, 30.0)),
        (3, 2, Bury(TOO_LONG)),
    ],
)
def test_a_time_limit_is_a_failed_attempt_like_any_other(
    attempt: int, limit: int, expected: Decision
) -> None:
    assert decided(TimedOut(5.0), attempt, limit) == expected


@pytest.mark.parametrize(
    "losses, max_losses, again",
    [
        (0, 3, True),
        (1, 3, True),
        (2, 3, True),
        (3, 3, False),
        (4, 3, False),
        (0, 1, True),
        (1, 1, False),
        (0, 0, False),
        (1, 0, False),
    ],
)
@pytest.mark.parametrize("attempt", [1, 3, 100])
def test_a_lost_run_runs_again_until_it_was_charged_too_often(
    losses: int, max_losses: int, again: bool, attempt: int
) -> None:
    found = decided(Lost("killed by signal 9", losses), attempt, max_losses=max_losses)
    if again:
        assert found == Rerun()
    else:
        assert isinstance(found, Bury)
        assert (found.error.type, found.error.reason) == ("WorkerLost", "worker_lost")
        assert "killed by signal 9" in found.error.message
        assert f"{max(losses, 1)} time(s)" in found.error.message


def test_a_loss_does_not_use_up_attempts() -> None:
    assert decided(Lost("killed", 1), attempt=100, limit=0) == Rerun()


def test_waits_are_moved_by_the_chance_that_is_passed_in() -> None:
    asked: list[tuple[float, float]] = []

    def lowest(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    assert decided(Failed(ERROR, retryable=True), uniform=lowest) == Again(ERROR, 5.0)
    assert decided(TimedOut(5.0), uniform=lowest) == Again(TOO_LONG, 5.0)
    assert asked == [(-0.5, 0.5)] * 2


def test_the_error_of_a_lost_worker_says_why_and_how_often() -> None:
    error = worker_lost("out of memory", 3)
    assert error.message == (
        "The process that ran the job ended without an answer (out of memory), 3 time(s)."
    )


@pytest.mark.parametrize(
    "max_losses, losses, too_often",
    [(0, 0, False), (0, 1, True), (1, 1, True), (3, 2, False), (3, 3, True)],
)
def test_a_job_is_lost_too_often_at_the_cap_and_at_least_at_the_first_loss(
    max_losses: int, losses: int, too_often: bool
) -> None:
    spec = TaskSpec("t", "q", Backoff(0, 0, 0, 0, 0), None, max_losses, isolate=False)
    assert spec.lost_too_often(losses) is too_often
