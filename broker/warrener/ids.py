"""Job ids: time-ordered ones for new jobs, derived ones where the same thing must get the same id.
And what may name a task, or be the key that an id is derived from."""

from __future__ import annotations

import hashlib
import os
import re
import time
import unicodedata

from .errors import IdempotencyKeyError, JobIdError, TaskNameError

_VALID = re.compile(r"[A-Za-z0-9._:~-]{1,128}")


def new_id() -> str:
    """A new job id: a UUID of version 7 (RFC 9562 §5.7), so that ids sort by their time."""
    milliseconds = time.time_ns() // 1_000_000
    return _as_uuid(milliseconds << 80 | int.from_bytes(os.urandom(10), "big"), version=7)


def derived_id(*parts: str) -> str:
    """The one id that belongs to these parts: the same for the same parts, on any machine."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return _as_uuid(int.from_bytes(digest[:16], "big"), version=8)


def _as_uuid(bits: int, version: int) -> str:
    # Python's own UUID class knows versions up to 5 only, before 3.14, and takes twice as long.
    bits = bits & ~(0xF << 76) | version << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_job_id(text: str) -> bool:
    """True if the text can serve as a job id, and so as part of a Redis key."""
    return _VALID.fullmatch(text) is not None


def check_job_id(text: str) -> str:
    """The id itself. Raises JobIdError if it has other characters or length than allowed."""
    if not is_job_id(text):
        raise JobIdError(job_id=text)
    return text


LONGEST_TASK_NAME = 255
"""Bytes: what an AMQP property holds (a short string, AMQP 0-9-1 §4.2.5.3)."""
LONGEST_KEY = 1024
"""Bytes, so that a mistake (a whole body as the key) is noticed."""


def check_task_name(text: str) -> str:
    """The name itself. Raises TaskNameError if no message could carry it."""
    reason = _fault(text, LONGEST_TASK_NAME)
    if reason is None and any(unicodedata.category(character) == "Cc" for character in text):
        reason = "it has control characters"
    if reason:
        raise TaskNameError(task=_shown(text), reason=reason)
    return text


def check_key(text: str) -> str:
    """The idempotency key itself. Raises IdempotencyKeyError if no id could be derived from it."""
    if reason := _fault(text, LONGEST_KEY):
        raise IdempotencyKeyError(key=_shown(text), reason=reason)
    return text


def _fault(text: str, limit: int) -> str | None:
    if not text:
        return "it is empty"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it has half a character (a lone surrogate)"
    return f"it is {size} bytes long" if size > limit else None


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"
