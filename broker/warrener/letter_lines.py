"""A dead letter's line in the index: what listings show and searches look at, as one text. The scripts in
scripts/letters/ look for pieces of it, so that a thousand letters are searched in a millisecond."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from .dead_letters import DeadLetter

LONGEST_EXCERPT = 1000
"""Bytes of a message, and of the arguments, that a listing shows and a search finds."""
LONGEST_NAME = 255
_BETWEEN = "\x1f"
_MESSAGE, _ARGUMENTS = "\x1e", "\x1d"
"""The tags of the texts: characters that no text has, so that none is found with its tag."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CAUSE = 10
_TIME = 12


@dataclass(frozen=True, slots=True)
class LetterLine:
    """One dead letter as listings show it. Times are Unix seconds."""

    id: str
    job_id: str
    task: str
    queue: str
    generation: int
    attempt: int
    reason: str
    type: str
    """The exception's."""
    message: str
    """Of the exception, as `arguments` cut after 1,000 bytes."""
    frame: str
    died: float
    worker: str
    arguments: str
    cause: str
    """The group that it belongs to."""


def cause_id(letter: DeadLetter) -> str:
    """What letters of one cause share: the exception's type, and where in the user's own code it was
    raised; the task, if nothing of the user's raised it."""
    where = letter.error.frame or letter.task
    text = f"{letter.error.type}{_BETWEEN}{where}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_CAUSE]


def place_of(died: float, letter_id: str = "") -> bytes:
    """Where the letter stands in the order of its queue, or everything that died just then begins."""
    milliseconds = max(0, min(round(died * 1000), 16**_TIME - 1))
    return f"{milliseconds:0{_TIME}x}{letter_id}".encode()


def died_at(place: bytes) -> float:
    """The time of death in a place."""
    return int(place[:_TIME], 16) / 1000


def line_of(letter: DeadLetter) -> bytes:
    """The line of a letter."""
    error = letter.error
    fields = {
        # These two first: the scripts know where in the line they stand.
        "c": cause_id(letter),
        "d": place_of(letter.died).decode(),
        "#": f"{letter.attempt}:{letter.generation}",
        "j": letter.job_id,
        "t": letter.task,
        "e": error.type,
        "n": error.type.rsplit(".", 1)[-1],
        "r": letter.reason,
        "f": error.frame,
        "w": letter.worker,
    }
    names = [tag + _cut(value, LONGEST_NAME) for tag, value in fields.items()]
    texts = [
        f"{_MESSAGE}{_cut(error.message, LONGEST_EXCERPT)}",
        f"{_ARGUMENTS}{_cut(letter.body, LONGEST_EXCERPT)}",
    ]
    return _BETWEEN.join(["", *names, *texts, ""]).encode()


def parse_line(line: bytes, letter_id: str, queue: str) -> LetterLine:
    """The opposite of line_of."""
    found = {part[:1]: part[1:] for part in line.decode().split(_BETWEEN)}
    attempt, generation = map(int, found["#"].split(":"))
    return LetterLine(
        id=letter_id,
        job_id=found["j"],
        task=found["t"],
        queue=queue,
        generation=generation,
        attempt=attempt,
        reason=found["r"],
        type=found["e"],
        message=found[_MESSAGE],
        frame=found["f"],
        died=died_at(found["d"].encode()),
        worker=found["w"],
        arguments=found[_ARGUMENTS],
        cause=found["c"],
    )


def piece(tag: str, value: str) -> bytes:
    """The piece that a line has if this field of it has this value."""
    return f"{_BETWEEN}{tag}{_cut(value, LONGEST_NAME)}{_BETWEEN}".encode()


def wanted_text(text: str) -> bytes:
    """A text as searches look for it: of letters, A to Z are found as a to z."""
    return _clean(text).encode().lower()


def texts_of(line: bytes) -> bytes:
    """The part of a line that a text is looked for in."""
    return line[line.index(f"{_BETWEEN}{_MESSAGE}".encode()) :].lower()


def _cut(text: str, longest: int) -> str:
    return _clean(text).encode()[:longest].decode("utf-8", "ignore")


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode())
