"""What holds on real parts and on the double alike."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from warrener import (
    ConfigurationError,
    DuplicateJob,
    IdempotencyConflict,
    InvalidArguments,
    InvalidDelay,
    JobFailed,
    JobNotFound,
    PartlySubmitted,
    QueueNameError,
    QueueNotFound,
    State,
    UnknownTask,
)
from warrener.dead_letters import DeadLetter
from warrener.selecting import Selection

from . import shop
from .conftest import Harness


async def test_a_job_runs_and_its_result_comes_back(harness: Harness) -> None:
    handle = await shop.add.send(2, b=3)
    [status] = await harness.ended([handle])
    assert (status.state, status.attempt, status.task) == (State.SUCCESS, 1, shop.add.name)
    assert status.created is not None
    assert status.started is not None
    assert status.finished is not None
    assert await handle.result(timeout=10) == 5


async def test_a_plain_function_runs_as_well(harness: Harness) -> None:
    handle = await shop.plain_add.send(2)
    assert await handle.result(timeout=10) == 3


async def test_arguments_and_results_keep_their_types(harness: Harness) -> None:
    order = shop.Order(id=uuid.uuid4(), placed=datetime(2026, 1, 2, tzinfo=UTC), lines={"hat": 2})
    handle = await shop.echo.send(order)
    assert await handle.result(timeout=10) == order


async def test_the_job_is_injected_with_its_resources(harness: Harness) -> None:
    handle = await shop.greet.send("Ann")
    expected = f"good day, Ann: {handle.id} attempt 1 on shop.fast"
    assert await handle.result(timeout=10) == expected


async def test_the_last_progress_report_stays(harness: Harness) -> None:
    handles = [await shop.counts.send(50), await shop.counts_plainly.send(50)]
    for status in await harness.ended(handles):
        assert status.progress == {"done": 50, "total": 50, "note": ""}


async def test_a_failed_attempt_is_retried_until_it_works(harness: Harness) -> None:
    handle = await shop.flaky.send(2)
    [status] = await harness.ended([handle])
    assert (status.state, status.attempt, status.result) == (State.SUCCESS, 3, 3)
    assert [entry["attempt"] for entry in status.attempts] == [1, 2]
    assert [entry["type"] for entry in status.attempts] == ["ConnectionError"] * 2


async def test_exhausted_retries_end_in_a_dead_letter(harness: Harness) -> None:
    handle = await shop.flaky.send(99)
    [status] = await harness.ended([handle])
    assert (status.state, status.attempt) == (State.FAILURE, 3)
    assert status.error is not None
    assert status.error.message == "attempt 3 failed"
    letter = await _dead_letter_of(harness, handle.id, "shop.slow")
    assert letter.error.type == "ConnectionError"
    assert "raise ConnectionError" in letter.error.traceback
    assert len(letter.attempts) == 3
    with pytest.raises(JobFailed, match="after 3 attempt"):
        await handle.result(timeout=10)


@pytest.mark.parametrize("kind", ["give up", "other"])
async def test_what_the_policy_does_not_cover_is_not_retried(harness: Harness, kind: str) -> None:
    handle = await shop.picky.send(kind)
    [status] = await harness.ended([handle])
    assert (status.state, status.attempt) == (State.FAILURE, 1)


async def test_a_task_can_ask_to_run_later(harness: Harness) -> None:
    handle = await shop.later.send(0.2)
    [status] = await harness.ended([handle])
    assert (status.state, status.result) == (State.SUCCESS, 2)


async def test_a_countdown_is_scheduled_and_then_runs(harness: Harness) -> None:
    handle = await shop.add.options(countdown=1.5).send(1)
    waiting = await handle.status()
    assert waiting.state is State.SCHEDULED
    assert waiting.created is not None
    assert waiting.due == pytest.approx(waiting.created + 1.5, abs=0.01)
    [status] = await harness.ended([handle])
    assert status.state is State.SUCCESS
    assert status.started is not None
    assert status.started >= waiting.created + 1.5


async def test_an_eta_in_the_past_runs_at_once(harness: Harness) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    handle = await shop.add.options(eta=past).send(1)
    assert await handle.result(timeout=10) == 2


async def test_a_task_sends_other_jobs(harness: Harness) -> None:
    parents = [await shop.fan_out.send(3), await shop.fan_out_plain.send(2)]
    ids = [job_id for parent in await harness.ended(parents) for job_id in parent.result]
    statuses = await harness.ended([harness.app.job(job_id) for job_id in ids])
    assert [status.result for status in statuses] == [1, 2, 3, 1, 2]


async def test_a_job_must_not_wait_for_another(harness: Harness) -> None:
    sleeping = await shop.add.options(countdown=5).send(1)
    waiting = await shop.wait_for.send(sleeping.id)
    if hasattr(harness, "client"):
        [status] = await harness.ended([waiting])
    else:
        [status, _] = await harness.ended([waiting, sleeping])
    assert status.attempts[0]["type"].endswith("WaitInsideJob")


async def test_a_result_of_another_type_than_declared_is_a_failure(harness: Harness) -> None:
    [status] = await harness.ended([await shop.wrong_result.send()])
    assert status.state is State.FAILURE
    assert status.error is not None
    assert status.error.reason == "invalid_result"


async def test_a_soft_time_limit_raises_in_the_task(harness: Harness) -> None:
    [status] = await harness.ended([await shop.too_long.send()])
    assert status.error is not None
    assert status.error.type.endswith("SoftTimeLimitExceeded")


async def test_a_task_without_a_queue_runs_on_the_default_one(harness: Harness) -> None:
    [status] = await harness.ended([await shop.homeless.send()])
    assert (status.queue, status.result) == ("default", "default")


async def test_submission_by_name(harness: Harness) -> None:
    handle = await harness.app.send(shop.add.name, 4, b=4)
    assert await handle.result(timeout=10) == 8


async def test_an_id_runs_once(harness: Harness) -> None:
    first = await shop.add.options(id="only-once").send(1)
    await harness.ended([first])
    again = await shop.add.options(id="only-once").send(41)
    marker = await shop.add.send(0)
    [status, _] = await harness.ended([again, marker])
    assert (status.id, status.result) == ("only-once", 2)


async def test_an_idempotency_key_gives_the_same_job(harness: Harness) -> None:
    keyed = shop.add.options(idempotency_key="order-7")
    handles = [await keyed.send(1) for _ in range(3)]
    assert len({handle.id for handle in handles}) == 1
    with pytest.raises(IdempotencyConflict):
        await keyed.send(2)
    [status] = await harness.ended(handles[:1])
    assert status.result == 2


@pytest.mark.parametrize("timing", ["countdown", "eta"])
async def test_the_same_request_for_later_is_the_same_job(harness: Harness, timing: str) -> None:
    key, now = f"later-{timing}", datetime.now(UTC)
    if timing == "countdown":
        soon = shop.add.options(idempotency_key=key, countdown=0.5)
        late = shop.add.options(idempotency_key=key, countdown=60)
    else:
        soon = shop.add.options(idempotency_key=key, eta=now + timedelta(seconds=0.5))
        late = shop.add.options(idempotency_key=key, eta=now + timedelta(seconds=60))
    handles = [await soon.send(1) for _ in range(3)]
    assert len({handle.id for handle in handles}) == 1
    with pytest.raises(IdempotencyConflict):
        await late.send(1)
    [status] = await harness.ended(handles[:1])
    assert status.result == 2


async def test_a_refused_submission_does_not_use_up_its_key(harness: Harness) -> None:
    keyed = shop.add.options(idempotency_key="order-8")
    with pytest.raises(QueueNotFound):
        await keyed.options(queue="nobody.declared").send(1)
    [status] = await harness.ended([await keyed.send(1)])
    assert status.result == 2


async def test_concurrent_sends_with_one_key_are_one_job(harness: Harness) -> None:
    keyed = shop.add.options(idempotency_key="stampede")
    handles = await asyncio.gather(*(keyed.send(1) for _ in range(20)))
    assert len({handle.id for handle in handles}) == 1


async def test_send_many_answers_in_order(harness: Harness) -> None:
    handles = await harness.app.send_many([shop.add.s(n) for n in range(200)])
    statuses = await harness.ended(handles)
    assert [status.result for status in statuses] == list(range(1, 201))


async def test_send_many_says_which_were_not_accepted(harness: Harness) -> None:
    calls = [shop.add.s(1), shop.add.s(2).options(queue="nobody.there"), shop.add.s(3)]
    with pytest.raises(PartlySubmitted, match="1 of 3") as caught:
        await harness.app.send_many(calls)
    handles = caught.value.facts["handles"]
    assert [handle is not None for handle in handles] == [True, False, True]
    assert isinstance(caught.value.facts["faults"][1], QueueNotFound)
    statuses = await harness.ended([handle for handle in handles if handle is not None])
    assert [status.result for status in statuses] == [2, 4]


async def test_what_cannot_be_sent_is_refused(harness: Harness) -> None:
    with pytest.raises(InvalidArguments, match="a: Input should be a valid integer"):
        await harness.app.send(shop.add.name, "x")
    with pytest.raises(InvalidArguments, match="Extra inputs"):
        await harness.app.send(shop.add.name, 1, c=3)
    with pytest.raises(UnknownTask, match=r"shop\.nothing"):
        await harness.app.send("shop.nothing")
    with pytest.raises(InvalidDelay):
        await shop.add.options(countdown=-1).send(1)
    with pytest.raises(QueueNameError):
        await shop.add.options(queue="scan.*").send(1)
    with pytest.raises(QueueNotFound):
        await shop.add.options(queue="nobody.there").send(1)
    with pytest.raises(QueueNotFound):
        await shop.add.options(queue="nobody.there", countdown=3).send(1)


async def test_an_unknown_id_is_not_found(harness: Harness) -> None:
    with pytest.raises(JobNotFound):
        await harness.app.job("never-sent").status()


async def test_a_dead_letter_is_replayed_as_the_next_generation(harness: Harness) -> None:
    handle = await shop.broken_until_repaired.send()
    await harness.ended([handle])
    letter = await _dead_letter_of(harness, handle.id, "shop.slow")
    report = await harness.replay("shop.slow", Selection(ids=frozenset({letter.id})))
    assert report.replayed == 1
    [status] = await harness.ended([handle])
    assert (status.state, status.replays) == (State.SUCCESS, 1)
    assert status.result == "repaired in generation 1"
    assert letter.id not in [left.id for left in await harness.dead("shop.slow")]


async def test_a_replay_is_tried_first_then_limited_and_keeps_the_rest(harness: Harness) -> None:
    handles = [await shop.broken_until_repaired.send() for _ in range(3)]
    await harness.ended(handles)
    letters = [await _dead_letter_of(harness, handle.id, "shop.slow") for handle in handles]
    mine = Selection(ids=frozenset(letter.id for letter in letters))
    tried = await harness.replay("shop.slow", mine, dry_run=True)
    assert (tried.replayed, tried.job_ids) == (3, [])
    some = await harness.replay("shop.slow", mine, limit=2)
    assert (some.replayed, some.kept) == (2, tried.seen - 2)
    rest = await harness.replay("shop.slow", mine)
    assert (rest.replayed, rest.kept) == (1, tried.seen - 3)
    assert sorted(some.job_ids + rest.job_ids) == sorted(handle.id for handle in handles)
    statuses = await harness.ended(handles)
    assert [(status.state, status.replays) for status in statuses] == [(State.SUCCESS, 1)] * 3


async def test_a_queue_without_a_dead_queue_has_nothing_to_replay(harness: Harness) -> None:
    with pytest.raises(QueueNotFound, match=r"'nobody\.there\.dead'"):
        await harness.replay("nobody.there", Selection(everything=True))


async def _dead_letter_of(harness: Harness, job_id: str, queue: str) -> DeadLetter:
    """The letter of a job whose end was waited for: it is listed by then."""
    [letter] = [letter for letter in await harness.dead(queue) if letter.job_id == job_id]
    return letter


async def test_a_limited_task_runs_one_by_one_and_waiting_costs_no_attempt(
    harness: Harness,
) -> None:
    handles = [await shop.one_by_one.send(f"customer {n}") for n in range(3)]
    statuses = await harness.ended(handles)
    assert [(status.state, status.attempt) for status in statuses] == [(State.SUCCESS, 1)] * 3
    # How many ran, by each of them.
    assert [status.progress and status.progress["done"] for status in statuses] == [1] * 3


async def test_of_unique_jobs_one_waits_and_the_others_are_that_one(harness: Harness) -> None:
    site = uuid.uuid4().hex
    later = shop.scan.options(countdown=2)
    first = await later.send(site)
    again, other = await later.send(site, depth=3), await later.send(uuid.uuid4().hex)
    assert first.id == again.id != other.id
    await harness.ended([first, other])
    assert await again.result(timeout=10) == f"{site} to 1"
    # Once it has ended, the next is another.
    third = await shop.scan.send(site, depth=3)
    assert third.id != first.id
    await harness.ended([third])


async def test_a_second_unique_job_is_refused_where_that_is_wanted(harness: Harness) -> None:
    site = uuid.uuid4().hex
    later = shop.clean.options(countdown=2)
    first = await later.send(site)
    with pytest.raises(DuplicateJob) as refused:
        await later.send(site, depth=1)  # the default
    assert refused.value.job_id == first.id  # type: ignore[attr-defined]
    other = await later.send(site, depth=2)
    await harness.ended([first, other])
    await harness.ended([await shop.clean.send(site)])


async def test_a_unique_job_that_was_revoked_or_failed_makes_room(harness: Harness) -> None:
    site = uuid.uuid4().hex
    first = await shop.clean.options(countdown=60).send(site)
    assert await first.revoke()
    second = await shop.clean.send(site)
    assert second.id != first.id
    await harness.ended([second])


async def test_a_unique_task_takes_no_idempotency_key(harness: Harness) -> None:
    with pytest.raises(ConfigurationError, match="takes no idempotency key"):
        await shop.scan.options(idempotency_key="k").send("site")
