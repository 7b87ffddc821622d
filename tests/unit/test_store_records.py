"""The scripts: what they leave in a record, for how long, and whom they tell."""

from typing import Any

import orjson
import pytest

from warrener import State, transitions
from warrener.store import Store
from warrener.transitions import Granted, Held, Settled, Stale, Transition, read_claim

from .records import (
    FIRST,
    JOB,
    ME,
    OTHER,
    QUEUE,
    REPLAYED,
    SECOND,
    SUBMITTED,
    TTLS,
    WAYS,
    buried,
    claimed,
    do,
    failing,
    look,
    reserved,
    retried,
    revoked,
    succeeded,
    ttl,
)


async def verdict(store: Store, move: Transition) -> Any:
    return read_claim(await do(store, move))


async def test_a_claim_creates_a_missing_record_and_the_submission_completes_it(
    store: Store,
) -> None:
    assert await verdict(store, claimed(FIRST, "mine")) == Granted(0)
    status = await store.status(JOB)
    assert status
    assert (status.state, status.task, status.queue) == (State.STARTED, "shop.task", QUEUE)
    assert (status.worker, status.started, status.recovered) == (ME.worker, 10.0, True)
    await do(store, transitions.submit(FIRST._replace(due=5.0), QUEUE))
    status = await store.status(JOB)
    assert status
    assert (status.state, status.created, status.recovered) == (State.STARTED, 1.0, False)


async def test_who_holds_a_job_is_told_to_others(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    assert await verdict(store, claimed(FIRST, "theirs", OTHER)) == Held(
        "boot-1", ME.worker, "mine", 10.0
    )
    assert await verdict(store, claimed(FIRST, "mine")) == Granted(0)


async def test_taking_over_an_abandoned_claim_counts_a_loss_once(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    take_over = claimed(FIRST, "theirs", OTHER, abandoned="mine")
    assert await verdict(store, take_over) == Granted(1)
    assert await verdict(store, take_over) == Granted(1)
    assert await do(store, succeeded("mine")) == [b"superseded"]
    assert await verdict(store, claimed(FIRST, "third", ME, abandoned="theirs")) == Granted(2)


async def test_a_claim_that_others_took_over_first_is_not_taken_again(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await do(store, claimed(FIRST, "theirs", OTHER, abandoned="mine"))
    answer = await verdict(store, claimed(FIRST, "third", ME, abandoned="mine"))
    assert answer == Held("boot-2", OTHER.worker, "theirs", 10.0)


async def test_losses_stay_with_the_generation(store: Store) -> None:
    await do(store, claimed(FIRST, "a"))
    assert await do(store, transitions.lose(JOB, "a", 1)) == [b"ok", 1]
    await do(store, transitions.release(JOB, "a"))
    assert await verdict(store, claimed(FIRST, "b")) == Granted(1)
    assert (await do(store, buried("b")))[3] == b"1"
    await do(store, transitions.replay(FIRST, QUEUE))
    assert await verdict(store, claimed(REPLAYED, "c")) == Granted(0)


async def test_a_replay_that_a_worker_overtook_begins_without_losses(store: Store) -> None:
    await do(store, claimed(FIRST, "a"))
    await do(store, transitions.lose(JOB, "a", 1))
    await do(store, buried("a"))
    assert await verdict(store, claimed(REPLAYED, "c")) == Granted(0)


async def test_handing_back_is_not_charged_and_forgets_the_run(store: Store) -> None:
    await WAYS["PENDING handed back"](store)
    status = await store.status(JOB)
    assert status
    assert (status.state, status.losses, status.worker) == (State.PENDING, 0, None)
    assert await do(store, succeeded("mine")) == [b"forgotten"]
    assert await do(store, transitions.release(JOB, "mine")) == [b"forgotten"]


async def test_a_retry_is_owed_until_it_is_paid(store: Store) -> None:
    await WAYS["RETRY"](store)
    redelivered = claimed(FIRST, "theirs", OTHER)
    assert await verdict(store, redelivered) == Settled(b'{"retry":30.0}', "mine")
    await do(store, transitions.pay(JOB, "theirs"))
    assert await verdict(store, redelivered) == Settled(b'{"retry":30.0}', "mine")
    await do(store, transitions.pay(JOB, "mine"))
    assert await verdict(store, redelivered) == Settled(b"", "mine")
    status = await store.status(JOB)
    assert status
    assert (status.state, status.due) == (State.RETRY, 30.0)


async def test_a_dead_letter_is_owed_until_it_is_paid(store: Store) -> None:
    await WAYS["FAILURE"](store)
    answer = await verdict(store, claimed(FIRST, "theirs", OTHER))
    assert answer == Settled(b'{"dead":20.0}', "mine")
    await do(store, transitions.pay(JOB, "mine"))
    assert (await look(store)).fields.get(b"owed") is None


async def test_a_success_may_owe_something_too(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await do(store, succeeded("mine", owed=b'{"next":1}'))
    assert await verdict(store, claimed(FIRST, "theirs")) == Settled(b'{"next":1}', "mine")


@pytest.mark.parametrize(
    "start, claim",
    [("RETRY", claimed(SECOND, "next")), ("FAILURE", claimed(REPLAYED, "next"))],
)
async def test_what_was_owed_is_off_the_record_once_it_has_arrived(
    store: Store, start: str, claim: Transition
) -> None:
    await WAYS[start](store)
    await do(store, claim)
    assert b"owed" not in (await look(store)).fields
    await do(store, transitions.pay(JOB, "mine"))
    assert await do(store, succeeded("next")) == [b"ok"]


async def test_the_history_grows_with_each_failed_attempt_and_starts_afresh_on_replay(
    store: Store,
) -> None:
    await WAYS["RETRY"](store)
    await do(store, claimed(SECOND, "b"))
    reply = await do(store, buried("b"))
    assert orjson.loads(b"[" + reply[1] + b"]") == [{"attempt": 1}] * 2
    status = await store.status(JOB)
    assert status
    assert status.attempts == [{"attempt": 1}] * 2
    assert status.error
    assert status.error.type == "ValueError"
    await do(store, transitions.replay(SECOND, QUEUE))
    status = await store.status(JOB)
    assert status
    assert (status.attempts, status.error, status.finished) == ([], None, None)


async def test_a_replay_that_a_worker_overtook_starts_afresh_too(store: Store) -> None:
    await WAYS["STARTED replayed"](store)
    assert await do(store, transitions.replay(FIRST, QUEUE)) == [b"beyond"]
    status = await store.status(JOB)
    assert status
    assert (status.generation, status.attempts, status.error) == (1, [], None)


async def test_progress_is_of_the_attempt_that_runs(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await do(store, transitions.progress(JOB, "mine", b'{"done":9}'))
    status = await store.status(JOB)
    assert status
    assert status.progress == {"done": 9}
    await do(store, retried("mine"))
    await do(store, claimed(SECOND, "next"))
    status = await store.status(JOB)
    assert status
    assert status.progress is None


async def test_a_result_lives_shorter_than_its_record(store: Store) -> None:
    await WAYS["SUCCESS"](store)
    assert 0 < await ttl(store, store.keys.result(JOB)) <= TTLS[0] < await ttl(store) <= TTLS[1]
    status = await store.status(JOB)
    assert status
    assert (status.result, status.finished) == ("result", 20.0)


async def test_none_takes_no_room_and_never_expires(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await do(store, succeeded("mine", b"null"))
    assert await ttl(store, store.keys.result(JOB)) == -2
    status = await store.status(JOB)
    assert status
    assert (status.result, status.result_expired) == (None, False)


@pytest.mark.parametrize("start", sorted(set(WAYS) - {"nothing", "unconfirmed"}))
async def test_unfinished_and_failed_jobs_are_kept_and_ended_ones_expire(
    store: Store, start: str
) -> None:
    await WAYS[start](store)
    lives = await ttl(store)
    assert (0 < lives <= TTLS[1]) if start in ("SUCCESS", "REVOKED") else lives == -1


@pytest.mark.parametrize("confirming", [SUBMITTED, claimed(FIRST, "mine")])
async def test_an_unconfirmed_record_expires_soon_unless_it_is_confirmed(
    store: Store, confirming: Transition
) -> None:
    await do(store, reserved())
    assert 0 < await ttl(store) <= 300
    assert await store.status(JOB) is None
    await do(store, confirming)
    assert await ttl(store) == -1
    assert await store.status(JOB) is not None


async def test_revoking_an_unconfirmed_job_leaves_a_record_that_can_be_looked_up(
    store: Store,
) -> None:
    # Its publish may have arrived without a confirm.
    await do(store, reserved())
    if await do(store, revoked(FIRST)) == [b"revoked"]:
        status = await store.status(JOB)
        assert status
        assert status.state is State.REVOKED


async def test_a_late_submission_does_not_keep_the_record_of_an_ended_job_for_ever(
    store: Store,
) -> None:
    await do(store, reserved())
    await do(store, revoked(FIRST))
    await do(store, SUBMITTED)
    status = await store.status(JOB)
    assert status
    assert status.state is not State.REVOKED or await ttl(store) > 0


async def test_a_message_of_an_earlier_attempt_cannot_revoke_a_later_one(store: Store) -> None:
    await WAYS["STARTED again"](store)
    await do(store, transitions.release(JOB, "mine"))
    assert await do(store, revoked(FIRST)) == [b"stale"]
    assert await do(store, revoked(SECOND)) == [b"revoked"]
    assert isinstance(await verdict(store, claimed(SECOND, "x")), Settled)


async def test_an_earlier_attempt_is_stale(store: Store) -> None:
    await WAYS["STARTED again"](store)
    assert await verdict(store, claimed(FIRST, "theirs")) == Stale()


async def test_of_many_attempts_the_last_are_kept(store: Store) -> None:
    message = FIRST
    for number in range(1, 201):
        await do(store, claimed(message, "mine"))
        entry = orjson.dumps({"attempt": number, "message": "x },\n{ " * 40})
        await do(store, transitions.fail(JOB, "mine", 1.0, failing(b"1", entry), 2.0))
        message = message.next_attempt()
    status = await store.status(JOB)
    assert status
    kept = [attempt["attempt"] for attempt in status.attempts]
    assert kept == list(range(201 - len(kept), 201))
    assert 30 < len(kept) < 100


def asked(terminate: bool = False) -> Transition:
    return transitions.ask_revoke(JOB, 20.0, "enough", TTLS[1], terminate=terminate)


async def test_a_run_that_was_asked_to_end_and_handed_back_does_not_run_again(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    assert (await do(store, asked()))[0] == b"asked"
    assert await store.revocations({JOB: "mine"}) == {JOB: "cancel"}
    assert await store.revocations({JOB: "another"}) == {}
    await do(store, transitions.release(JOB, "mine"))
    assert isinstance(await verdict(store, claimed(FIRST, "theirs", OTHER)), Settled)
    status = await store.status(JOB)
    assert status
    assert (status.state, status.reason, status.owes) == (State.REVOKED, "enough", False)
    assert await ttl(store) > 0


async def test_a_run_that_was_asked_to_end_and_lost_does_not_run_again(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    assert (await do(store, asked(terminate=True)))[0] == b"asked"
    taken_over = claimed(FIRST, "theirs", OTHER, abandoned="mine")
    assert isinstance(await verdict(store, taken_over), Settled)
    assert await do(store, succeeded("mine")) == [b"superseded"]
    status = await store.status(JOB)
    assert status
    assert status.state is State.REVOKED


async def test_who_was_asked_to_end_and_succeeds_all_the_same_has_succeeded(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await do(store, asked())
    assert await do(store, succeeded("mine")) == [b"ok"]
    assert await do(store, asked()) == [b"ended", b"SUCCESS"]


async def test_a_replay_is_not_revoked_by_what_was_asked_of_the_run_before(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await do(store, buried("mine"))
    assert await do(store, asked()) == [b"ended", b"FAILURE"]
    await do(store, transitions.replay(FIRST, QUEUE))
    assert await verdict(store, claimed(REPLAYED, "again")) == Granted(0)
    assert await store.revocations({JOB: "again"}) == {}


async def test_an_attempt_that_is_too_late_is_revoked_when_it_is_claimed(store: Store) -> None:
    late = FIRST._replace(expires=10.0)
    assert isinstance(await verdict(store, claimed(late, "mine")), Settled)
    status = await store.status(JOB)
    assert status
    assert (status.state, status.reason) == (State.REVOKED, "expired")
    assert await ttl(store) > 0


@pytest.mark.parametrize("start", ["SCHEDULED", "RETRY"])
async def test_a_revoked_record_outlives_the_message_that_waits_for_its_time(
    store: Store, start: str
) -> None:
    # Asked far ahead of its time, 30.0: the message comes when the usual lifetime is over.
    await WAYS[start](store)
    early = transitions.ask_revoke(JOB, 30.0 - 5000.0, "enough", TTLS[1], terminate=False)
    assert (await do(store, early))[0] == b"revoked"
    assert 5000 < await ttl(store) <= 5000 + TTLS[1]
