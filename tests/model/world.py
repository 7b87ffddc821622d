"""What there is: a state of everything that takes part in one job, and how to change it.

Jobs share neither keys nor messages, so one job is enough. A worker settles up to two deliveries of it
at once: as many as it takes for a second copy to meet the first. A queue hands out its messages in any
order, since delays, requeues and the ladder allow every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from .records import Command, Flaw, Moved, Record, move

NOBODY = (0, 0)


class Message(NamedTuple):
    """An attempt's message; its body, due time and number of parks change nothing here."""

    generation: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.attempt}"


class Hand(NamedTuple):
    """One delivery in a worker's hands, and what the worker does with it next."""

    owner: int
    step: str
    message: Message
    token: int = 0
    rival: tuple[int, int] = NOBODY
    """Owner and token of the claim that stands in the way."""
    debt: str = ""
    active: bool = False
    """True from the grant to the acknowledgement: copies that come to this worker are parked."""
    cut: bool = False
    """True if its channel is gone: RabbitMQ has taken the message back, and an acknowledgement is
    nothing."""


class Pass(NamedTuple):
    """The replayer with one letter, and what it does next."""

    step: str
    letter: int
    generation: int = 0


class Purge(NamedTuple):
    """The purge with one message, and what it does next."""

    step: str
    message: Message


class Left(NamedTuple):
    """How many faults may still happen."""

    crashes: int = 0
    doubles: int = 0
    """Messages that arrive twice: published again after a confirm that never came, or doubled by
    the ladder's at-least-once dead-lettering."""
    cuts: int = 0
    """Workers that lose their channel and live on."""
    losses: int = 0
    """Runs whose process dies under them while their worker lives."""
    handbacks: int = 0
    """Runs that a worker stops and returns."""
    purges: int = 0
    """Messages that an operator takes out of the work queue: no fault, but as unforeseeable."""
    revokes: int = 0
    """Times that somebody revokes the job."""


class State(NamedTuple):
    """Everything that is somewhere. Equal states have equal futures."""

    record: Record | None
    ready: tuple[Message, ...]
    letters: tuple[int, ...]
    """The generation of each letter in the dead queue."""
    hands: tuple[Hand, ...]
    submitter: str
    replayer: Pass | None
    purger: Purge | None
    workers: tuple[int, ...]
    fresh: tuple[int, ...]
    """Dead workers whose presence has not lapsed yet, if anybody could ask for it."""
    left: Left


class Step(NamedTuple):
    """A possible next event. `chosen` if it need not ever happen: a fault, or an operator's wish."""

    label: str
    state: State
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What is searched: which faults there are, how far the job may go, how it is submitted, and which
    rule is off."""

    left: Left
    workers: int = 2
    hands: int = 1
    """Deliveries that a worker settles at once."""
    attempts: int = 2
    max_losses: int = 2
    replays: int = 1
    keyed: bool = False
    """True if it is submitted with an idempotency key, and again if its submitter crashes."""
    delayed: bool = False
    flaw: Flaw | None = None
    moves: dict[tuple[Record | None, Command], Moved] = field(default_factory=dict, init=False)
    """Every move of the record so far: there are few, and each is made very often."""

    def apply(self, record: Record | None, command: Command) -> Moved:
        """The record after this command, and the answer; see records.move."""
        found = self.moves.get((record, command))
        if found is None:
            found = self.moves[record, command] = move(record, command, self.flaw)
        return found

    def start(self) -> State:
        """Nothing has happened yet."""
        submitter = "reserve" if self.keyed else "publish"
        return State(
            None,
            (),
            (),
            (),
            submitter,
            None,
            None,
            tuple(range(1, self.workers + 1)),
            (),
            self.left,
        )


def held(state: State, hands: tuple[Hand, ...], hand: Hand) -> State:
    """`state` with `hand` beside the other `hands`."""
    if hand.step == "ack" and hand.cut and not hand.active:
        return state._replace(hands=hands)  # an acknowledgement on a lost channel is nothing
    return state._replace(hands=tuple(sorted((*hands, hand))))


def without(ready: tuple[Message, ...], message: Message) -> tuple[Message, ...]:
    """One copy of `message` less."""
    place = ready.index(message)
    return ready[:place] + ready[place + 1 :]


def arrived(state: State, messages: Iterable[Message]) -> State:
    """`state` with these messages in the work queue."""
    return state._replace(ready=tuple(sorted((*state.ready, *messages))))


def published(label: str, state: State, message: Message) -> Iterator[Step]:
    """The message arrives, once or twice. Its confirm is no step of its own: a crash before the next
    step is a message that has arrived although nobody saw the confirm."""
    yield Step(label, arrived(state, [message]))
    if state.left.doubles:
        left = state.left._replace(doubles=state.left.doubles - 1)
        twice = arrived(state, [message, message])._replace(left=left)
        yield Step(f"{label}, and it arrives twice", twice, chosen=True)


def buried(state: State, letter: int) -> State:
    """`state` with this letter in the dead queue."""
    return state._replace(letters=tuple(sorted((*state.letters, letter))))


def returned(state: State, hands: Iterable[Hand]) -> State:
    """RabbitMQ takes back what these hands held."""
    return arrived(state, [hand.message for hand in hands if not hand.cut])


def unused(numbers: Iterable[int]) -> int:
    """The smallest number from 1 that nobody uses. Reusing those that nobody refers to any more keeps
    the states finite, and nobody can tell."""
    taken = set(numbers)
    number = 1
    while number in taken:
        number += 1
    return number


def canonical(state: State) -> State:
    """The same state with workers and tokens renumbered in one fixed order. Only whether they are equal
    is ever looked at, so states that differ in the numbers alone have the same future."""
    record, ready, letters, hands, submitter, replayer, purger, workers, fresh, left = state
    record, hands, workers, fresh = _renumbered(record, hands, workers, fresh)
    return State(record, ready, letters, hands, submitter, replayer, purger, workers, fresh, left)


Numbers = tuple[int, ...]


@cache
def _renumbered(
    record: Record | None, hands: tuple[Hand, ...], workers: Numbers, fresh: Numbers
) -> tuple[Record | None, tuple[Hand, ...], Numbers, Numbers]:
    owners, tokens = {0: 0}, {0: 0}

    def owner(number: int) -> int:
        return owners.setdefault(number, len(owners))

    def token(number: int) -> int:
        return tokens.setdefault(number, len(tokens))

    if record is not None:
        record = record._replace(owner=owner(record.owner), token=token(record.token))
    renumbered = [
        hand._replace(
            owner=owner(hand.owner),
            token=token(hand.token),
            rival=(owner(hand.rival[0]), token(hand.rival[1])),
        )
        for hand in sorted(hands, key=_by_step)
    ]
    return (
        record,
        tuple(sorted(renumbered)),
        tuple(sorted(map(owner, workers))),
        tuple(sorted(map(owner, fresh))),
    )


def _by_step(hand: Hand) -> tuple[object, ...]:
    return hand.step, hand.message, hand.debt, hand.active, hand.cut
