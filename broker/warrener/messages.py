"""The message: what travels through RabbitMQ (docs/protocol.md states it for other languages).

Properties carry what routing and deduplication need; the body carries the arguments and is never
decoded outside the process that runs the task.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from aiormq import spec
from pamqp.encode import encode_table_value

from .ids import is_job_id

CONTENT_TYPE = "application/json"
PERSISTENT = 2
BAD_SIGNATURE = "bad_signature"
"""The reason of dead letters that were not signed as they must be."""
UNREADABLE = "unreadable"
"""The content type of a message whose properties could not be decoded (see reading.py)."""

HIGHEST_PRIORITY = 255
"""An octet in AMQP."""
LONGEST_KEY = 128
"""Characters of a concurrency key."""

PART = re.compile(r"([A-Za-z0-9._:~-]{1,128})/([0-9]{1,9})/([0-9]{1,9})")
"""A part of a workflow: its id, the number of the node, the round."""

NO_ARGUMENTS = b'{"args":[],"kwargs":{}}'
"""The body of a workflow's messages: arguments are with the plan."""

Headers = dict[str, Any]


NO_HEADERS: Headers = {}


class Message(NamedTuple):
    """One attempt at one job. Times are Unix seconds here, and whole milliseconds in the headers."""

    job_id: str
    task: str
    body: bytes
    attempt: int = 1
    generation: int = 0
    created: float = 0.0
    due: float | None = None
    parks: int = 0
    """How often this attempt was put back into the ladder because it could not run yet."""
    waiting_since: float | None = None
    """When a worker first met this message without knowing its task."""
    expires: float | None = None
    """From then on no attempt of it begins."""
    concurrency_key: str | None = None
    """What a limit per key counts by."""
    priority: int | None = None
    """Among those that wait in its queue; higher ones come first."""
    workflow: str = ""
    """Which part of which workflow it is, as ID/NODE/ROUND; empty for a job of its own."""
    foreign: bool = False
    """True if it came without our headers: no producer of ours records it."""
    extra: Headers = NO_HEADERS
    """Headers that others put there: traces, signatures, facts of a dead letter."""

    @property
    def order(self) -> tuple[int, int]:
        """What the store compares: (generation, attempt)."""
        return (self.generation, self.attempt)

    def next_attempt(self) -> Message:
        """The message of the attempt after this one."""
        return self._replace(attempt=self.attempt + 1, parks=0, waiting_since=None)

    def parked(self) -> Message:
        """The same attempt, put back once more."""
        return self._replace(parks=self.parks + 1)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A delivery that is no job. `reason` is for people."""

    reason: str
    body: bytes
    headers: Headers
    job_id: str | None = None
    task: str | None = None
    unsigned: Message | None = None
    """The job that it would be, if its signature were valid."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A job from another client that gave it no id: it is adopted, by publishing it again with one."""

    message: Message


class Seal(Protocol):
    """What makes messages such that nobody else can: see signing.py. `place` is a queue."""

    def seal(self, message: Message, place: str) -> Message:
        """The message, signed for that queue."""

    def check(
        self, found: Message | Foreign | Malformed, place: str
    ) -> Message | Foreign | Malformed:
        """What was found in that queue, or a Malformed if its signature is not valid there."""


def encode(message: Message, message_id: str | None = None) -> spec.Basic.Properties:
    """The AMQP properties of a message. A fresh message_id each time: returned messages are matched
    by it, and two in flight with one id would be confused (aiormq's Channel._on_return_frame)."""
    headers: Headers = {
        **{k: v if isinstance(v, str) else _writable(v) for k, v in message.extra.items()},
        "attempt": message.attempt,
        "generation": message.generation,
    }
    if message.due is not None:
        headers["due"] = to_ms(message.due)
    if message.parks:
        headers["parks"] = message.parks
    if message.waiting_since is not None:
        headers["waiting_since"] = to_ms(message.waiting_since)
    if message.expires is not None:
        headers["expires"] = to_ms(message.expires)
    if message.concurrency_key is not None:
        headers["concurrency_key"] = message.concurrency_key
    if message.priority is not None:
        headers["priority"] = message.priority
    if message.workflow:
        headers["workflow"] = message.workflow
    return spec.Basic.Properties(
        content_type=CONTENT_TYPE,
        delivery_mode=PERSISTENT,
        message_id=message_id or os.urandom(16).hex(),
        correlation_id=message.job_id,
        message_type=message.task,
        priority=message.priority,
        timestamp=datetime.fromtimestamp(message.created, UTC),
        headers=headers,
    )


def decode(properties: spec.Basic.Properties, body: bytes) -> Message | Foreign | Malformed:
    """A delivery as a job, as a job to adopt, or as what is wrong with it. Never raises."""
    stamp = properties.timestamp
    return job_of(
        body,
        dict(properties.headers or {}),
        properties.correlation_id or properties.message_id or None,
        properties.message_type or None,
        stamp.timestamp() if stamp else 0.0,
        properties.content_type or CONTENT_TYPE,
        properties.priority or None,
    )


def job_of(
    body: bytes,
    headers: Headers,
    job_id: str | None,
    task: str | None,
    created: float,
    content_type: str = CONTENT_TYPE,
    priority: int | None = None,
) -> Message | Foreign | Malformed:
    """The same of properties that have been taken apart. Never raises."""
    reason = _fault(content_type, job_id, task) or _header_fault(headers)
    if reason or task is None:
        known_id = job_id if job_id and is_job_id(job_id) else None
        return Malformed(reason or "no task name (property `type`)", body, headers, known_id, task)
    message = Message(
        job_id=job_id or "",
        task=task,
        body=body,
        attempt=headers.get("attempt", 1),
        generation=headers.get("generation", 0),
        created=created,
        due=_from_ms(headers.get("due")),
        parks=headers.get("parks", 0),
        waiting_since=_from_ms(headers.get("waiting_since")),
        expires=_from_ms(headers.get("expires")),
        concurrency_key=headers.get("concurrency_key"),
        # The header outlives the delay ladder; other clients know the property alone, and 0 is what some
        # of them always set.
        priority=headers.get("priority", priority),
        workflow=headers.get("workflow", ""),
        foreign="attempt" not in headers,
        extra=_extra(headers),
    )
    return message if job_id else Foreign(message)


def _extra(headers: Headers) -> Headers:
    # The broker's own x-death trail must not travel on: republished, it confuses dead-lettering.
    return {k: v for k, v in headers.items() if k not in OWN and not k.startswith("x-")}


def _writable(value: Any) -> Any:
    """A header's value such that pamqp writes it: it reads some that it refuses to write (text that is not
    UTF-8, numbers that others send), and a job that could not be published again would be stuck."""
    if isinstance(value, bytes):
        return bytearray(value)
    if isinstance(value, dict):
        return {name: _writable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_writable(one) for one in value]
    try:
        encode_table_value(value)
    except Exception:  # whatever its encoders raise
        return str(value)
    return value


def _fault(content_type: str, job_id: str | None, task: str | None) -> str | None:
    if content_type != CONTENT_TYPE:
        content_type = content_type.split(";", maxsplit=1)[0].strip().lower()
        if content_type == UNREADABLE:
            return "its properties cannot be read (text that is not UTF-8, or a time after 9999)"
        if content_type != CONTENT_TYPE:
            return f"content type {content_type!r} instead of {CONTENT_TYPE}"
    if job_id and not is_job_id(job_id):
        return "the job id (correlation_id) has characters or a length that are not allowed"
    if task and len(task) > 255:
        return "the task name is longer than 255 characters"
    return None


def _header_fault(headers: Headers) -> str | None:
    # By what is there, and not by all that might be: most messages have two of these.
    for name, value in headers.items():
        rule = _RULES.get(name)
        if rule is not None and not rule[0](value):
            return f"header {name!r} is {rule[1].format(value)}"
    return None


FAR_FUTURE_MS = 253_402_300_800_000
"""The year 10000, after which Python's datetime ends."""


def _whole(least: int, beyond: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value < beyond


def _is_time(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value < FAR_FUTURE_MS)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_KEY


def _is_part(value: Any) -> bool:
    return value is None or (isinstance(value, str) and PART.fullmatch(value) is not None)


_A_TIME = (_is_time, "{!r} instead of Unix milliseconds")
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "attempt": (_whole(1, 2**53), "{!r} instead of a whole number from 1"),
    "generation": (_whole(0, 2**53), "{!r} instead of a whole number from 0"),
    "parks": (_whole(0, 2**53), "{!r} instead of a whole number from 0"),
    "due": _A_TIME,
    "waiting_since": _A_TIME,
    "expires": _A_TIME,
    "priority": (
        _whole(0, HIGHEST_PRIORITY + 1),
        f"{{!r}} instead of a number from 0 to {HIGHEST_PRIORITY}",
    ),
    "concurrency_key": (_is_key, f"no text of 1 to {LONGEST_KEY} characters"),
    "workflow": (_is_part, "{!r} instead of ID/NODE/ROUND"),
}
"""What each of our headers must be, and what is said of one that is not."""

OWN = frozenset(_RULES)
"""The names of our headers."""


def to_ms(seconds: float) -> int:
    """Unix seconds as headers have them, rounded up: nothing begins before its time."""
    # A whole number: pamqp writes a Python float as AMQP's 32-bit one, which is wrong by a minute for
    # a time of today. Rounded first: what has whole milliseconds keeps them.
    return min(math.ceil(round(seconds * 1000, 2)), FAR_FUTURE_MS - 1)


def _from_ms(value: int | None) -> float | None:
    return None if value is None else value / 1000
