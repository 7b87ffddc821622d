"""The whole protocol: submission (client.py), workers, replay (replaying.py), purge (queues.py), time
and faults.

There is no clock here, so one thing is taken for granted: the presence of a living worker does not
lapse, and lists what it runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from .records import ENDED, Command, Flaw, Record
from .workers import worker_steps
from .world import (
    Message,
    Pass,
    Purge,
    Setting,
    State,
    Step,
    arrived,
    buried,
    published,
    returned,
    unused,
    without,
)


def steps(setting: Setting, state: State) -> Iterator[Step]:
    """All that can happen next."""
    yield from _submission(setting, state)
    yield from worker_steps(setting, state)
    yield from _replay(setting, state)
    yield from _purge(setting, state)
    yield from _revocation(setting, state)
    yield from _time(setting, state)
    if state.left.crashes:
        yield from _crashes(setting, state)
    if state.left.cuts:
        yield from _cuts(state)


# Submission: id, confirmed publish, record -------------------------------------------------------


def _submission(setting: Setting, state: State) -> Iterator[Step]:
    match state.submitter:
        case "reserve":
            record, answer = setting.apply(state.record, Command("reserve"))
            then = "accepted" if answer.kind == "exists" else "publish"
            label = f"the submitter reserves: {answer.kind}"
            yield Step(label, state._replace(record=record, submitter=then))
        case "publish":
            after = state._replace(submitter="record")
            yield from published("the submitter publishes 0.1", after, Message(0, 1))
        case "record":
            record, _ = setting.apply(state.record, Command("submit", due=setting.delayed))
            accepted = state._replace(submitter="accepted")
            yield Step("the submitter records", accepted._replace(record=record))
            # Redis is away: the job is safe in its queue, and accepted all the same.
            yield Step("the submitter cannot record", accepted)


# Replay: published, record moved, acknowledged ---------------------------------------------------


def _replay(setting: Setting, state: State) -> Iterator[Step]:
    if state.replayer is None:
        for letter in sorted(set(state.letters)):
            if letter < setting.replays:
                yield from _taken(state, letter)
        return
    step, letter, generation = state.replayer
    done = state._replace(replayer=Pass("ack", letter))
    match step:
        case "look":
            yield _looked(setting, state, letter)
        case "publish":
            after = state._replace(
                replayer=Pass(_AFTER_PUBLISH[_early(setting)], letter, generation)
            )
            message = Message(generation + 1, 1)
            yield from published(f"the replayer publishes {message}", after, message)
        case "move":
            record, answer = setting.apply(state.record, Command("replay", generation))
            then = Pass(_AFTER_MOVE[_early(setting)], letter, generation)
            label = f"the replayer moves the record: {answer.kind}"
            yield Step(label, state._replace(record=record, replayer=then))
        case "put back":
            yield Step("the replayer puts the letter back", buried(done, letter))
        case _:
            yield Step(f"the replayer acknowledges letter {letter}", state._replace(replayer=None))


_AFTER_PUBLISH = {False: "move", True: "ack"}
_AFTER_MOVE = {False: "ack", True: "publish"}


def _early(setting: Setting) -> bool:
    return setting.flaw is Flaw.RECORD_BEFORE_REPLAY


def _taken(state: State, letter: int) -> Iterator[Step]:
    letters = list(state.letters)
    letters.remove(letter)
    taken = state._replace(letters=tuple(letters))
    for step, what in (("look", "replays"), ("put back", "leaves")):
        label = f"the replayer takes and {what} letter {letter}"
        yield Step(label, taken._replace(replayer=Pass(step, letter)), chosen=True)


def _looked(setting: Setting, state: State, letter: int) -> Step:
    record, generation = state.record, letter
    found = _found(record, letter)
    if setting.flaw is Flaw.GENERATION_FROM_RECORD and record is not None:
        generation, found = record.generation, "due"
    steps = {"moved on": "ack", "unfinished": "put back", "due": "publish"}
    step = "move" if found == "due" and _early(setting) else steps[found]
    then = Pass(step, letter, generation if found == "due" else 0)
    return Step(f"the replayer reads the record: {found}", state._replace(replayer=then))


def _found(record: Record | None, letter: int) -> str:
    if record is None or record.unconfirmed or record.generation < letter:
        return "due"
    if record.generation > letter or record.state in ENDED:
        return "moved on"
    return "due" if record.state == "FAILURE" else "unfinished"


# Purge: record revoked, acknowledged -------------------------------------------------------------


def _purge(setting: Setting, state: State) -> Iterator[Step]:
    if state.purger is None:
        if state.left.purges:
            less = state._replace(left=state.left._replace(purges=state.left.purges - 1))
            for message in sorted(set(state.ready)):
                taken = less._replace(
                    ready=without(state.ready, message), purger=Purge("revoke", message)
                )
                yield Step(f"a purge takes {message}", taken, chosen=True)
        return
    step, message = state.purger
    match step:
        case "revoke":
            record, answer = setting.apply(state.record, Command("revoke", *message))
            then = Purge("return" if answer.kind == "unchanged" else "ack", message)
            label = f"the purge revokes {message}: {answer.kind}"
            yield Step(label, state._replace(record=record, purger=then))
        case "return":
            back = arrived(state._replace(purger=Purge("ack", message)), [message])
            yield Step(f"the purge puts {message} back", back)
        case _:
            yield Step(f"the purge acknowledges {message}", state._replace(purger=None))


# Revocation: one move of the record, which workers look at -----------------------------------------


def _revocation(setting: Setting, state: State) -> Iterator[Step]:
    if state.left.revokes and state.record is not None:
        record, answer = setting.apply(state.record, Command("ask"))
        left = state.left._replace(revokes=state.left.revokes - 1)
        label = f"somebody revokes the job: {answer.kind}"
        yield Step(label, state._replace(record=record, left=left), chosen=True)


# Time and faults ---------------------------------------------------------------------------------


def _time(setting: Setting, state: State) -> Iterator[Step]:
    for dead in state.fresh if setting.flaw is not Flaw.CLAIMS_OUTLIVE else ():
        fresh = tuple(other for other in state.fresh if other != dead)
        yield Step(f"the presence of worker {dead} lapses", state._replace(fresh=fresh))
    if state.record is not None and state.record.unconfirmed:
        yield Step("the unconfirmed record expires", state._replace(record=None))


def _crashes(setting: Setting, state: State) -> Iterator[Step]:
    less = state._replace(left=state.left._replace(crashes=state.left.crashes - 1))
    if state.submitter == "record" or (setting.keyed and state.submitter == "publish"):
        then = "reserve" if setting.keyed else "gone"
        yield Step("the submitter crashes", less._replace(submitter=then), chosen=True)
    if state.replayer is not None:
        back = buried(less._replace(replayer=None), state.replayer.letter)
        yield Step("the replayer crashes", back, chosen=True)
    if state.purger is not None:
        back = arrived(less._replace(purger=None), [state.purger.message])
        yield Step("the purge crashes", back, chosen=True)
    # The crash of a worker with nothing in its hands changes nothing.
    for worker in sorted({hand.owner for hand in state.hands}):
        yield Step(f"worker {worker} crashes", _dead(less, worker), chosen=True)


def _dead(state: State, worker: int) -> State:
    """Its deliveries return, its presence goes on for a while, and it starts again as somebody else."""
    lost = [hand for hand in state.hands if hand.owner == worker]
    hands = tuple(hand for hand in state.hands if hand.owner != worker)
    named = {hand.rival[0] for hand in hands}
    if state.record is not None:
        named.add(state.record.owner)
    fresh = tuple(sorted(dead for dead in (*state.fresh, worker) if dead in named))
    others = [other for other in state.workers if other != worker]
    again = unused([*others, *fresh, *named, worker])
    workers = tuple(sorted((*others, again)))
    return returned(state._replace(hands=hands, workers=workers, fresh=fresh), lost)


def _cuts(state: State) -> Iterator[Step]:
    less = state._replace(left=state.left._replace(cuts=state.left.cuts - 1))
    for worker in sorted({hand.owner for hand in state.hands if not hand.cut}):
        mine = [hand for hand in state.hands if hand.owner == worker]
        others = [hand for hand in state.hands if hand.owner != worker]
        hands = tuple(sorted([*others, *(hand._replace(cut=True) for hand in mine)]))
        after = returned(less._replace(hands=hands), mine)
        yield Step(f"worker {worker} loses its channel", after, chosen=True)
