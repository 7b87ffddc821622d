"""The scripts: every state against every move, held against the table of transitions."""

from collections.abc import Callable

import pytest

from warrener import State, transitions
from warrener.messages import Message
from warrener.store import Store
from warrener.transitions import Transition

from .records import (
    FIRST,
    JOB,
    OTHER,
    QUEUE,
    WAYS,
    buried,
    check_move,
    claimed,
    do,
    look,
    reserved,
    retried,
    revoked,
    succeeded,
)

every_state = pytest.mark.parametrize("start", WAYS)


def later(message: Message) -> Message:
    return message._replace(attempt=message.attempt + 1)


def earlier(message: Message) -> Message:
    return message._replace(attempt=max(1, message.attempt - 1))


def next_generation(message: Message) -> Message:
    return message._replace(generation=message.generation + 1, attempt=1)


def last_generation(message: Message) -> Message:
    return message._replace(generation=max(0, message.generation - 1), attempt=9)


# Every move, made from the message of the attempt at which the record is.
MOVES: dict[str, Callable[[Message], Transition]] = {
    "reserve": lambda m: reserved(),
    "reserve otherwise": lambda m: reserved("other"),
    "submit": lambda m: transitions.submit(FIRST, QUEUE),
    "submit delayed": lambda m: transitions.submit(FIRST._replace(due=30.0), QUEUE),
    "claim": lambda m: claimed(m, "theirs", OTHER),
    "claim again": lambda m: claimed(m, "mine"),
    "take over": lambda m: claimed(m, "theirs", OTHER, "mine"),
    "claim later": lambda m: claimed(later(m), "theirs", OTHER),
    "claim earlier": lambda m: claimed(earlier(m), "theirs", OTHER),
    "claim replayed": lambda m: claimed(next_generation(m), "theirs", OTHER),
    "claim outlived": lambda m: claimed(last_generation(m), "theirs", OTHER),
    "release": lambda m: transitions.release(JOB, "mine"),
    "lose": lambda m: transitions.lose(JOB, "mine", 3),
    "succeed": lambda m: succeeded("mine"),
    "retry": lambda m: retried("mine"),
    "fail": lambda m: buried("mine"),
    "pay": lambda m: transitions.pay(JOB, "mine"),
    "progress": lambda m: transitions.progress(JOB, "mine", b"{}"),
    "revoke": revoked,
    "revoke earlier": lambda m: revoked(earlier(m)),
    "replay": lambda m: transitions.replay(m, QUEUE),
    "replay outlived": lambda m: transitions.replay(last_generation(m), QUEUE),
    "replay early": lambda m: transitions.replay(next_generation(m), QUEUE),
}
LATE = {
    "release": transitions.release(JOB, "late"),
    "lose": transitions.lose(JOB, "late", 1),
    "succeed": succeeded("late"),
    "retry": retried("late"),
    "fail": buried("late"),
    "pay": transitions.pay(JOB, "late"),
    "progress": transitions.progress(JOB, "late", b'{"done":1}'),
}


@every_state
@pytest.mark.parametrize("name", MOVES)
async def test_no_script_makes_a_move_that_the_table_does_not_know(
    store: Store, start: str, name: str
) -> None:
    await WAYS[start](store)
    before = await look(store)
    await store.apply([MOVES[name](before.message())])
    check_move(before, await look(store))


@every_state
@pytest.mark.parametrize("name", LATE)
async def test_a_run_that_does_not_hold_the_job_changes_nothing(
    store: Store, start: str, name: str
) -> None:
    await WAYS[start](store)
    before = await look(store)
    [reply] = await store.apply([LATE[name]])
    kept = b"superseded" if start in ENDS or name in ("lose", "progress") else b"forgotten"
    assert reply[0] == (b"ok" if name == "pay" else kept)
    assert await look(store) == before


@every_state
@pytest.mark.parametrize("name", MOVES)
async def test_making_the_same_move_twice_changes_no_more_than_once(
    store: Store, start: str, name: str
) -> None:
    # The client of the store repeats commands whose answer got lost.
    await WAYS[start](store)
    move = MOVES[name]((await look(store)).message())
    await store.apply([move])
    once = await look(store)
    await store.apply([move])
    assert await look(store) == once


@every_state
@pytest.mark.parametrize(
    "name",
    ["claim", "take over", "claim later", "lose", "succeed", "retry", "fail", "pay", "progress"],
)
async def test_the_same_token_gets_the_same_answer_again(
    store: Store, start: str, name: str
) -> None:
    await WAYS[start](store)
    move = MOVES[name]((await look(store)).message())
    first, again = await store.apply([move, move])
    assert first == again


RUN, HELD, SETTLED, STALE = b"run", b"held", b"settled", b"stale"
# The answers to: the same attempt, a later one, an earlier one, a replay, a message from before a
# replay. Where a record is at its first attempt or generation, "earlier" is the same.
CLAIMS = {
    "nothing": (RUN, RUN, RUN, RUN, RUN),
    "unconfirmed": (RUN, RUN, RUN, RUN, RUN),
    "PENDING": (RUN, RUN, RUN, RUN, RUN),
    "PENDING handed back": (RUN, RUN, RUN, RUN, RUN),
    "PENDING replayed": (RUN, RUN, RUN, RUN, STALE),
    "SCHEDULED": (RUN, RUN, RUN, RUN, RUN),
    "STARTED": (HELD, RUN, HELD, RUN, RUN),
    "STARTED again": (HELD, RUN, STALE, RUN, RUN),
    "STARTED replayed": (HELD, RUN, HELD, RUN, STALE),
    "RETRY": (SETTLED, RUN, SETTLED, RUN, RUN),
    "SUCCESS": (SETTLED, SETTLED, SETTLED, SETTLED, SETTLED),
    "FAILURE": (SETTLED, SETTLED, SETTLED, RUN, SETTLED),
    "REVOKED": (SETTLED, SETTLED, SETTLED, SETTLED, SETTLED),
}


@every_state
async def test_what_a_claim_is_answered(store: Store, start: str) -> None:
    names = ["claim", "claim later", "claim earlier", "claim replayed", "claim outlived"]
    for name, expected in zip(names, CLAIMS[start], strict=True):
        await store.client.flushdb()
        await WAYS[start](store)
        before = await look(store)
        [reply] = await store.apply([MOVES[name](before.message())])
        assert reply[0] == expected, name
        after = await look(store)
        if expected == RUN:
            assert (after.state, after.token) == (State.STARTED, "theirs")
            assert b"unconfirmed" not in after.fields
        else:
            assert after == before, name


ENDS = {"STARTED": {"succeed", "retry", "fail", "release", "lose", "progress"}}
ENDS |= {"STARTED again": ENDS["STARTED"], "STARTED replayed": ENDS["STARTED"]}
ENDS |= {"SUCCESS": {"succeed"}, "RETRY": {"retry"}, "FAILURE": {"fail"}}


@every_state
@pytest.mark.parametrize("name", sorted(ENDS["STARTED"]))
async def test_a_run_is_told_whether_it_still_holds_the_job(
    store: Store, start: str, name: str
) -> None:
    await WAYS[start](store)
    [reply] = await store.apply([MOVES[name](FIRST)])
    nobody_holds_it = start not in ENDS and name not in ("lose", "progress")
    refused = b"forgotten" if nobody_holds_it else b"superseded"
    assert reply[0] == (b"ok" if name in ENDS.get(start, ()) else refused)


REVOKED = {"nothing", "unconfirmed", "PENDING", "PENDING handed back", "PENDING replayed"}
REVOKED |= {"SCHEDULED", "RETRY"}


@every_state
async def test_only_a_waiting_job_is_revoked(store: Store, start: str) -> None:
    await WAYS[start](store)
    before = await look(store)
    reply = await do(store, revoked(before.message()))
    if start in REVOKED:
        assert reply == [b"revoked"]
        assert (await look(store)).state is State.REVOKED
    else:
        assert before.state is not None
        assert reply == [b"unchanged", before.state.encode()]
        assert await look(store) == before


@every_state
async def test_only_a_failure_of_its_own_generation_is_replayed(store: Store, start: str) -> None:
    await WAYS[start](store)
    before = await look(store)
    reply = await do(store, transitions.replay(before.message(), QUEUE))
    if start in ("FAILURE", "nothing"):
        assert reply == [b"ok"]
        after = await look(store)
        assert (after.state, after.order) == (State.PENDING, (1, 1))
    else:
        assert reply == [b"beyond"]
        assert await look(store) == before


@pytest.mark.parametrize("generation, answer", [(0, b"beyond"), (1, b"ok"), (2, b"beyond")])
async def test_a_dead_letter_of_another_generation_replays_nothing(
    store: Store, generation: int, answer: bytes
) -> None:
    await WAYS["STARTED replayed"](store)
    await do(store, buried("mine"))
    before = await look(store)
    message = FIRST._replace(generation=generation)
    assert await do(store, transitions.replay(message, QUEUE)) == [answer]
    after = await look(store)
    assert after.order == ((2, 1) if answer == b"ok" else before.order)


@every_state
async def test_a_reservation_finds_out_who_has_the_id(store: Store, start: str) -> None:
    await WAYS[start](store)
    expected = {"nothing": b"new", "unconfirmed": b"unconfirmed"}.get(start, b"exists")
    assert await do(store, reserved()) == [expected]


async def test_the_same_key_for_another_job_is_a_conflict(store: Store) -> None:
    await do(store, reserved("one"))
    assert await do(store, reserved("other")) == [b"conflict"]
    await do(store, claimed(FIRST, "mine"))
    assert await do(store, reserved("other")) == [b"conflict"]
    assert await do(store, reserved("one")) == [b"exists"]


@every_state
@pytest.mark.parametrize("due", [None, 30.0])
async def test_a_late_submission_lowers_no_state(
    store: Store, start: str, due: float | None
) -> None:
    await WAYS[start](store)
    before = await look(store)
    await do(store, transitions.submit(FIRST._replace(due=due), QUEUE))
    after = await look(store)
    if start in ("nothing", "unconfirmed"):
        assert after.state is (State.SCHEDULED if due else State.PENDING)
        assert b"unconfirmed" not in after.fields
    else:
        assert (after.state, after.order) == (before.state, before.order)
    assert float(after.fields[b"created"]) == 1.0
