"""Which dead letters are meant: for listings, which ask the index, and for passes, which look at the
letters themselves. Both decide by a letter's line, so that what a listing shows is what a replay takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .dead_letters import DeadLetter
from .errors import ConfigurationError
from .fields import known
from .letter_lines import line_of, piece, place_of, texts_of, wanted_text

MOST = 2**53
"""More than there are attempts."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters: all conditions that are given must hold."""

    ids: frozenset[str] = frozenset()
    """Of letters, or of their jobs."""
    task: str | None = None
    cause: str | None = None
    """An exception's name, with or without its module."""
    reason: str | None = None
    everything: bool = False
    group: str | None = None
    """A group's id: see LetterLine.cause."""
    text: str | None = None
    """In the message or the arguments, in the first 1,000 bytes of each; a to z are also A to Z."""
    min_attempts: int = 0
    max_attempts: int = MOST
    min_replays: int = 0
    max_replays: int = MOST
    died_before: float | None = None
    """A Unix time, as the next."""
    died_after: float | None = None

    def __post_init__(self) -> None:
        given = [getattr(self, field.name) != field.default for field in fields(self)[1:]]
        if self.text == "":  # An option that a script left empty must not mean all letters.
            given.remove(True)
        if not (self.ids or any(given)):
            raise ConfigurationError(
                message="say which dead letters: ids, a task, a cause, a reason, or all of them"
            )

    @property
    def is_of_times_alone(self) -> bool:
        """True if nothing is asked but when a letter died."""
        bare = replace(self, died_before=None, died_after=None, everything=True)
        return bare == ALL

    def takes(self, letter: DeadLetter, line: bytes | None = None) -> bool:
        """True if this letter is meant, by its line as it is listed, or else as it would be."""
        line = line or line_of(letter)
        low, high = self.times
        return (
            (not self.ids or letter.id in self.ids or letter.job_id in self.ids)
            and low <= place_of(letter.died) < high
            and all(piece in line for piece in self.pieces)
            and self.min_attempts <= letter.attempt <= self.max_attempts
            and self.min_replays <= letter.generation <= self.max_replays
            and (not self.text or wanted_text(self.text) in texts_of(line))
        )

    @property
    def pieces(self) -> list[bytes]:
        """What the line of each letter must have."""
        found = []
        if self.group is not None:
            found.append(piece("c", self.group))
        if self.task is not None:
            found.append(piece("t", self.task))
        if self.cause is not None:
            found.append(piece("e" if "." in self.cause else "n", self.cause))
        if self.reason is not None:
            found.append(piece("r", self.reason))
        return found

    @property
    def times(self) -> tuple[bytes, bytes]:
        """The first place in the order that is meant, and the first behind them."""
        low = b"" if self.died_after is None else place_of(self.died_after)
        return low, b"g" if self.died_before is None else place_of(self.died_before)

    def to_json(self) -> dict[str, Any]:
        """The conditions that are given, for JSON."""
        defaults = {field.name: field.default for field in fields(self)}
        facts = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        return {**facts, "ids": sorted(self.ids)} if self.ids else facts

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Selection:
        """The opposite of to_json."""
        return cls(**{**known(cls, facts), "ids": frozenset(facts.get("ids", ()))})


ALL = Selection(everything=True)
