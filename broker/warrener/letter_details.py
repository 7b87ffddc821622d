"""What the index keeps of a dead letter beside its line: all that shows it, cut and compressed."""

from __future__ import annotations

import zlib
from dataclasses import replace

from .dead_letters import DeadLetter, fitting, short
from .letter_lines import LONGEST_NAME
from .records import JobError

LONGEST_BODY = 4_096
LONGEST_MESSAGE = 4_096
LONGEST_TRACEBACK = 8_000
"""Bytes kept of each letter, and of its attempts as of its traceback: compressed, 27 KB at most. The dead
queue has the whole."""


def packed(letter: DeadLetter) -> bytes:
    """The letter as the index keeps it."""
    one = letter.error
    error = JobError(
        short(one.type, LONGEST_NAME),
        short(one.message, LONGEST_MESSAGE),
        one.traceback.encode()[-LONGEST_TRACEBACK:].decode("utf-8", "ignore"),
        short(one.reason, LONGEST_NAME),
        short(one.frame, LONGEST_NAME),
    )
    kept = replace(
        letter,
        error=error,
        reason=error.reason,
        task=short(letter.task, LONGEST_NAME),
        worker=short(letter.worker, LONGEST_NAME),
        body=short(letter.body, LONGEST_BODY),
        attempts=fitting(letter.attempts, LONGEST_TRACEBACK),
    )
    return zlib.compress(kept.to_json())


def unpacked(text: bytes) -> DeadLetter:
    """The letter that was packed, as far as it was kept."""
    return DeadLetter.from_json(zlib.decompress(text))
