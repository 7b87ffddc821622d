"""What may follow from the end of a job beside what the core knows: workflows attach here, from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from warrener.messages import Message
from warrener.records import JobError
from warrener.states import State

OWED = b"follow:"
"""How a debt begins that is the job's result, for what follows from it."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended: with a result (JSON), or an error."""

    message: Message
    state: State
    result: bytes = b"null"
    error: JobError | None = None


class FollowUps(Protocol):
    """Does what follows from the ends of some jobs."""

    async def follow(self, ends: Sequence[End]) -> None:
        """Do it; returns once it is done, however long the broker or the store is away. Of an end of which
        it was told before, it does again what may not have been done."""


def is_followed(message: Message) -> bool:
    """True if something follows from this job's end."""
    return bool(message.workflow)


def ended(message: Message, state: State, error: JobError | None = None) -> End | None:
    """The end of a job without a result, if something follows from it."""
    return End(message, state, error=error) if message.workflow else None


def owed_result(message: Message, result: bytes) -> bytes:
    """What a job that ended well owes."""
    return OWED + result if message.workflow else b""
