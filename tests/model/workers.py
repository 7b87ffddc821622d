"""The steps of a worker: intake.py (receive, claim, contest, park), worker.py (run) and settlement.py
(store the end with what it owes, publish, clear the debt, acknowledge), each in the order of the code.
"""

from __future__ import annotations

from collections.abc import Iterator

from .records import Answer, Command, Flaw
from .world import (
    NOBODY,
    Hand,
    Message,
    Setting,
    State,
    Step,
    buried,
    held,
    published,
    returned,
    unused,
    without,
)

Rest = tuple[Hand, ...]


def worker_steps(setting: Setting, state: State) -> Iterator[Step]:
    """What workers can do next."""
    yield from _receipts(setting, state)
    for place, hand in enumerate(state.hands):
        rest = state.hands[:place] + state.hands[place + 1 :]
        yield from _STEPS[hand.step](setting, state, rest, hand)


def _receipts(setting: Setting, state: State) -> Iterator[Step]:
    for message in sorted(set(state.ready)):
        left = state._replace(ready=without(state.ready, message))
        for worker in _takers(setting, state):
            busy = any(hand.active for hand in state.hands if hand.owner == worker)
            hand = Hand(worker, "park" if busy else "claim", message)
            yield Step(f"worker {worker} receives {message}", held(left, state.hands, hand))


def _takers(setting: Setting, state: State) -> list[int]:
    counts = [sum(hand.owner == worker for hand in state.hands) for worker in state.workers]
    owner = state.record.owner if state.record is not None else 0
    if not any(counts) and owner not in state.workers:
        # Two idle workers are alike: one of them stands for both.
        return [min(state.workers)]
    return [w for w, count in zip(state.workers, counts, strict=True) if count < setting.hands]


# Intake ------------------------------------------------------------------------------------------


def _claim(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    token = hand.token or unused(_tokens(state))
    abandoned = hand.rival[1]
    command = Command("claim", *hand.message, token, hand.owner, abandoned)
    record, answer = setting.apply(state.record, command)
    after = _answered(setting, hand._replace(token=token), answer)
    label = f"worker {hand.owner} claims {hand.message}: {answer.kind}"
    yield Step(label, held(state._replace(record=record), rest, after))


def _tokens(state: State) -> Iterator[int]:
    if state.record is not None:
        yield state.record.token
    for hand in state.hands:
        yield hand.token
        yield hand.rival[1]


def _answered(setting: Setting, hand: Hand, answer: Answer) -> Hand:
    match answer.kind:
        case "run":
            doomed = answer.losses >= setting.max_losses
            return hand._replace(
                step="fail" if doomed else "run", rival=NOBODY, active=setting.hands > 1
            )
        case "held" if setting.flaw is Flaw.HELD_IS_ACKNOWLEDGED:
            return _ready_to("ack", hand)
        case "held" if hand.step == "claim":
            return hand._replace(step="contest", rival=(answer.owner, answer.token))
        case "held":
            return _ready_to("park", hand)
        case "settled" if answer.owed and setting.flaw is not Flaw.ENDED_IS_ACKNOWLEDGED:
            return _owing(setting, hand._replace(token=answer.token, rival=NOBODY), answer.owed)
        case _:
            return _ready_to("ack", hand)


def _ready_to(step: str, hand: Hand) -> Hand:
    # What is not needed any more is forgotten, so that equal futures are equal states.
    return hand._replace(step=step, token=0, rival=NOBODY, debt="")


def _contest(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    owner = hand.rival[0]
    alive = owner in state.workers or owner in state.fresh
    after = _ready_to("park", hand) if alive else hand._replace(step="take")
    label = f"worker {hand.owner} looks for worker {owner}: {'alive' if alive else 'gone'}"
    yield Step(label, held(state, rest, after))


def _park(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    after = held(state, rest, _ready_to("ack", hand))
    yield from published(f"worker {hand.owner} parks {hand.message}", after, hand.message)


# Runs --------------------------------------------------------------------------------------------


def _run(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    may_retry = hand.message.attempt < setting.attempts
    ends = ("succeed", "retry", "fail") if may_retry else ("succeed", "fail")
    acknowledged = setting.flaw is Flaw.ACKNOWLEDGED_FIRST
    for end in ends:
        after = hand._replace(step=end, cut=hand.cut or acknowledged)
        yield Step(f"worker {hand.owner}'s run ends: {end}", held(state, rest, after))
    if state.left.losses:
        less = state._replace(left=state.left._replace(losses=state.left.losses - 1))
        label = f"the process of worker {hand.owner}'s run dies"
        yield Step(label, held(less, rest, hand._replace(step="lose")), chosen=True)
    if state.left.handbacks:
        left = state.left._replace(handbacks=state.left.handbacks - 1)
        after = hand._replace(step="release", active=False)
        label = f"worker {hand.owner} stops its run to hand it back"
        yield Step(label, held(state._replace(left=left), rest, after), chosen=True)


def _lose(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    """The run's process died: charged, and run again here or given up."""
    # The run knows its losses. They are the record's for as long as its claim stands.
    losses = state.record.losses + 1 if state.record is not None else 1
    command = Command("lose", token=hand.token, losses=losses)
    record, answer = setting.apply(state.record, command)
    doomed = answer.losses >= setting.max_losses
    after = hand._replace(step="fail" if doomed else "run")
    label = f"worker {hand.owner} charges the loss: {answer.kind}"
    yield Step(label, held(state._replace(record=record), rest, after))


def _release(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    record, answer = setting.apply(state.record, Command("release", token=hand.token))
    after = held(state._replace(record=record), rest, _ready_to("requeue", hand))
    yield Step(f"worker {hand.owner} releases its claim: {answer.kind}", after)


def _requeue(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    after = returned(state._replace(hands=rest), [hand])
    yield Step(f"worker {hand.owner} requeues {hand.message}", after)


# Settlement --------------------------------------------------------------------------------------


def _end(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    record, answer = setting.apply(state.record, Command(hand.step, token=hand.token))
    if answer.kind == "forgotten":
        after = hand._replace(step="claim again", debt=hand.step)
    elif answer.kind == "ok" and hand.step != "succeed":
        after = _owing(setting, hand, "dead" if hand.step == "fail" else "retry")
    else:
        after = _ready_to("ack", hand)
    label = f"worker {hand.owner} stores {hand.step}: {answer.kind}"
    yield Step(label, held(state._replace(record=record), rest, after))


def _claim_again(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    """The store holds no claim of the run that has ended: claimed once more, it ends as it did."""
    record, answer = setting.apply(
        state.record, Command("claim", *hand.message, hand.token, hand.owner)
    )
    granted = answer.kind == "run"
    after = hand._replace(step=hand.debt, debt="") if granted else _ready_to("ack", hand)
    label = f"worker {hand.owner} claims {hand.message} for its end: {answer.kind}"
    yield Step(label, held(state._replace(record=record), rest, after))


def _owing(setting: Setting, hand: Hand, debt: str) -> Hand:
    early = setting.flaw is Flaw.PAID_BEFORE_CONFIRM
    return hand._replace(step="pay" if early else "owe", debt=debt)


def _owe(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    early = setting.flaw is Flaw.PAID_BEFORE_CONFIRM
    after = held(
        state, rest, _ready_to("ack", hand) if early else hand._replace(step="pay", debt="")
    )
    generation, attempt = hand.message
    if hand.debt == "dead":
        yield Step(f"worker {hand.owner} publishes the dead letter", buried(after, generation))
    else:
        label = f"worker {hand.owner} publishes the next attempt"
        yield from published(label, after, Message(generation, attempt + 1))


def _pay(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    record, _ = setting.apply(state.record, Command("pay", token=hand.token))
    early = setting.flaw is Flaw.PAID_BEFORE_CONFIRM
    after = hand._replace(step="owe") if early else _ready_to("ack", hand)
    label = f"worker {hand.owner} clears the debt"
    yield Step(label, held(state._replace(record=record), rest, after))


def _acknowledge(setting: Setting, state: State, rest: Rest, hand: Hand) -> Iterator[Step]:
    yield Step(f"worker {hand.owner} acknowledges {hand.message}", state._replace(hands=rest))


_STEPS = {
    "claim": _claim,
    "contest": _contest,
    "take": _claim,
    "park": _park,
    "run": _run,
    "lose": _lose,
    "succeed": _end,
    "retry": _end,
    "fail": _end,
    "claim again": _claim_again,
    "owe": _owe,
    "pay": _pay,
    "ack": _acknowledge,
    "release": _release,
    "requeue": _requeue,
}
