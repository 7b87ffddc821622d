"""Records: what the store's hash says of a job."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warrener import JobError, JobStatus, State
from warrener.records import parse_status

TTL = 100.0
words = st.text(st.characters(codec="utf-8"), max_size=20)
ERROR = JobError("ValueError", "no", "Traceback …", "error")


def parsed(
    state: State, result: bytes | None = None, now: float = 50.0, **fields: Any
) -> JobStatus:
    record = {"state": state, "generation": 0, "attempt": 1, "task": "t", "queue": "q", **fields}
    raw = {
        name.encode(): value if isinstance(value, bytes) else str(value).encode()
        for name, value in record.items()
    }
    status = parse_status("job-1", raw, result, now, TTL)
    assert status is not None
    return status


def test_a_full_record_is_read_as_it_was_written() -> None:
    status = parsed(
        State.FAILURE,
        generation=2,
        attempt=3,
        created=1.5,
        claimed=2.5,
        started=2.5,
        finished=3.5,
        owner="boot-1",
        worker="heavy-1",
        losses=1,
        error=ERROR.to_json(),
        attempts=b'{"attempt":2},{"attempt":3}',
        progress=b'{"done":1}',
    )
    assert status == JobStatus(
        id="job-1",
        state=State.FAILURE,
        task="t",
        queue="q",
        attempt=3,
        generation=2,
        created=1.5,
        due=None,
        started=2.5,
        finished=3.5,
        worker="heavy-1",
        losses=1,
        result=None,
        result_expired=False,
        error=ERROR,
        attempts=[{"attempt": 2}, {"attempt": 3}],
        progress={"done": 1},
        reason=None,
        recovered=False,
        edits=[],
        discarded=None,
        owes=False,
    )
    assert status.is_terminal
    assert status.replays == 2


def test_a_bare_record_leaves_the_rest_open() -> None:
    status = parsed(State.PENDING, created=1.0)
    assert (status.due, status.started, status.finished, status.worker) == (None,) * 4
    assert (status.result, status.error, status.progress, status.reason) == (None,) * 4
    assert (status.losses, status.attempts) == (0, [])
    assert not status.is_terminal


def test_nobody_knows_a_job_without_a_record() -> None:
    assert parse_status("job-1", {}, None, 0.0, TTL) is None


def test_nobody_is_told_of_a_job_whose_publish_is_unconfirmed() -> None:
    record = {b"state": b"PENDING", b"unconfirmed": b"1"}
    assert parse_status("job-1", record, None, 0.0, TTL) is None


@pytest.mark.parametrize(
    "state, shown",
    [
        (State.SCHEDULED, 9.0),
        (State.RETRY, 9.0),
        (State.STARTED, None),
        (State.PENDING, None),
        (State.SUCCESS, None),
        (State.FAILURE, None),
    ],
)
def test_a_due_time_is_shown_while_the_job_waits_for_it(state: State, shown: float | None) -> None:
    assert parsed(state, due=9.0).due == shown


def test_a_running_job_has_not_finished_whatever_its_last_attempt_left() -> None:
    assert parsed(State.STARTED, finished=3.0).finished is None


def test_a_job_handed_back_after_a_retry_has_not_finished_either() -> None:
    assert parsed(State.PENDING, finished=3.0).finished is None


@pytest.mark.parametrize("value", [1, "text", [1], {"a": None}, False, 0, ""])
def test_a_result_is_its_json_value(value: Any) -> None:
    status = parsed(State.SUCCESS, orjson.dumps(value), finished=1.0, has_result=1)
    assert status.result == value
    assert not status.result_expired


@pytest.mark.parametrize("state", sorted(set(State) - {State.SUCCESS}))
def test_only_a_success_has_a_result(state: State) -> None:
    assert parsed(state, b"1", finished=1.0).result is None


@pytest.mark.parametrize(
    "fields, now, expired",
    [
        ({"finished": 10.0, "has_result": 1}, 10.0 + TTL, True),
        ({"finished": 10.0, "has_result": 1}, 10.0 + TTL - 0.1, False),
        ({"finished": 10.0}, 10.0 + TTL, False),
        ({"has_result": 1}, 1e9, False),
    ],
)
def test_a_result_has_expired_when_there_was_one_and_its_time_is_over(
    fields: dict[str, Any], now: float, expired: bool
) -> None:
    assert parsed(State.SUCCESS, now=now, **fields).result_expired is expired


def test_a_success_hides_the_error_of_earlier_attempts() -> None:
    status = parsed(State.SUCCESS, error=ERROR.to_json(), attempts=b'{"attempt":1}')
    assert status.error is None
    assert status.attempts == [{"attempt": 1}]


@pytest.mark.parametrize("state", [State.RETRY, State.STARTED, State.PENDING])
def test_the_last_error_is_shown_until_the_job_succeeds(state: State) -> None:
    assert parsed(state, error=ERROR.to_json()).error == ERROR


def test_a_revoked_job_says_why() -> None:
    assert parsed(State.REVOKED, reason="by hand").reason == "by hand"


def test_a_record_that_a_worker_had_to_make_says_so() -> None:
    assert parsed(State.STARTED).recovered
    assert not parsed(State.STARTED, created=0.0).recovered


@given(words, words, words, words)
def test_an_error_survives_the_store(kind: str, message: str, trace: str, reason: str) -> None:
    error = JobError(kind, message, trace, reason)
    assert JobError.from_json(error.to_json()) == error
