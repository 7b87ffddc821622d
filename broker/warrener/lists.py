"""The lists of jobs, beside their records: what each move puts on them and takes off. A list says where to
look; what holds is the record, and whatever does not fit it is left out (listing.py).

Four sorted sets. The plain way of a job, from its queue to its success, touches only the first, and that
once, when it is submitted: a worker that drains a queue pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from .messages import Message
from .store import Command
from .transitions import Reply, Transition


class Name(StrEnum):
    """The lists, and what they are sorted by."""

    ALL = "all"
    """Every job whose record lives, by when it was created."""
    WAITING = "waiting"
    """SCHEDULED and RETRY, by when they are due."""
    FAILED = "failed"
    """FAILURE, by when they died."""
    REVOKED = "revoked"
    """REVOKED, by when."""


Change = tuple[Name, str, float | None]
"""A member to put on a list at this place, or, without one, to take off it."""


class Line(NamedTuple):
    """What a member says: the attempt is part of it, so that a late move takes off no other's."""

    job_id: str
    generation: int
    attempt: int
    queue: str
    task: str

    @property
    def member(self) -> str:
        """As the list keeps it."""
        return f"{self.job_id} {self.generation}.{self.attempt} {self.queue} {self.task}"


def read(member: str) -> Line:
    """The opposite of Line.member."""
    job_id, order, queue, task = member.split(" ", 3)
    generation, _, attempt = order.partition(".")
    return Line(job_id, int(generation), int(attempt), queue, task)


def entry(name: Name, line: Line, score: float) -> Change:
    """The change that puts a job on a list. Of a job on `ALL` or `REVOKED` there is one, whatever its
    attempt; on `FAILED` one for each generation."""
    if name is Name.WAITING:
        return (name, line.member, score)
    generation = line.generation if name is Name.FAILED else 0
    return (name, f"{line.job_id} {generation}.1 {line.queue} {line.task}", score)


def _everywhere(message: Message, queue: str) -> str:
    # As entry() says; written out, since every submission pays for it.
    return f"{message.job_id} 0.1 {queue} {message.task}"


def _line(message: Message, queue: str, later: int = 0) -> Line:
    return Line(message.job_id, message.generation, message.attempt + later, queue, message.task)


class Lists:
    """Keeps the lists of one namespace, as something beside the store."""

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace}:jobs"

    def key(self, name: Name) -> str:
        """The key of a list."""
        return f"{self._prefix}:{name}"

    def along(self, moves: Sequence[Transition]) -> list[Command]:
        """What the moves change, whatever comes of them."""
        changes: list[Change] = []
        for move in moves:
            change = _CHANGES.get(move.script)
            if change is not None and move.about is not None:
                change(changes, move, *move.about)
        return self.commands(changes) if changes else []

    def after(self, moves: Sequence[Transition], replies: Sequence[Reply]) -> list[Command]:
        """What their answers change: a job may be revoked by several of them."""
        changes = [
            change
            for move, reply in zip(moves, replies, strict=True)
            if move.script in _MAY_REVOKE and b"revoked" in reply
            for change in _revoked(move, reply)
        ]
        return self.commands(changes) if changes else []

    def commands(self, changes: Iterable[Change]) -> list[Command]:
        """One command for all that a list gets, and one for all that it loses."""
        put: dict[Name, list[str | float]] = {}
        taken: dict[Name, list[str]] = {}
        for name, member, score in changes:
            if score is None:
                taken.setdefault(name, []).append(member)
            else:
                put.setdefault(name, []).extend((score, member))
        added: list[Command] = [("ZADD", self.key(name), *words) for name, words in put.items()]
        return added + [("ZREM", self.key(name), *words) for name, words in taken.items()]


def _submitted(changes: list[Change], move: Transition, message: Message, queue: str) -> None:
    changes.append((Name.ALL, _everywhere(message, queue), message.created))
    if message.due is not None:
        changes.append((Name.WAITING, _line(message, queue).member, message.due))


def _claimed(changes: list[Change], move: Transition, message: Message, queue: str) -> None:
    if message.due is not None:
        changes.append((Name.WAITING, _line(message, queue).member, None))
    if message.foreign:
        # No producer of ours records it, so that the claim makes its record.
        changes.append((Name.ALL, _everywhere(message, queue), message.created or _now(move)))


def _failed(changes: list[Change], move: Transition, message: Message, queue: str) -> None:
    due = move.arguments[5]
    if due == "":
        changes.append(entry(Name.FAILED, _line(message, queue), float(move.arguments[1])))
    else:
        changes.append(entry(Name.WAITING, _line(message, queue, later=1), float(due)))


def _replayed(changes: list[Change], move: Transition, message: Message, queue: str) -> None:
    if message.created:
        changes.append((Name.ALL, _everywhere(message, queue), message.created))


def _now(claim: Transition) -> float:
    return float(claim.arguments[5])


_MAY_REVOKE = frozenset({"claim", "fail", "revoke", "ask_revoke"})
_CHANGES = {"submit": _submitted, "claim": _claimed, "fail": _failed, "replay": _replayed}


def _revoked(move: Transition, reply: Reply) -> list[Change]:
    if move.script == "ask_revoke":
        task, queue, now = reply[1].decode(), reply[2].decode(), float(move.arguments[0])
    elif move.about is not None:
        message, queue = move.about
        task = message.task
        now = float(move.arguments[{"claim": 5, "fail": 1, "revoke": 0}[move.script]])
    else:
        return []
    return [entry(Name.REVOKED, Line(move.job_id, 0, 1, queue, task), now)]
