"""Dead letters: jobs that failed for good, kept in RabbitMQ with the reason in their headers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from .fields import known
from .messages import BAD_SIGNATURE, FAR_FUTURE_MS, OWN, Headers, Malformed, Message
from .outgoing import Outgoing
from .records import JobError

LONGEST_BODY_SHOWN = 16_384
KEPT_ATTEMPTS = 20
LONGEST_ID = 255
LONGEST_FRAME = 255
_LONGEST_TEXT = 16_000
_ALL_HEADERS = 120_000
_CONTROL = re.compile(r"[\x00-\x1f]")
_PREFIX = "dead_"
"""Of the headers that a dead letter has and a job has not."""
REASON = f"{_PREFIX}reason"
"""The header that says of which kind its death was."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter as listings show it. Times are Unix seconds."""

    id: str
    job_id: str
    task: str
    queue: str
    generation: int
    attempt: int
    reason: str
    error: JobError
    died: float
    worker: str
    attempts: list[dict[str, Any]] = field(default_factory=list)
    body: str = ""
    """The message's body as text, cut after 16 KiB, and after 4 KiB in the index."""
    size: int = 0
    """Bytes of the whole body; with masks, where it has secrets and is shown as a whole."""
    workflow: str = ""
    """The id of the workflow that the job belongs to, if it does."""
    hidden: str = ""
    """Why its arguments are masked, secret or not; empty if at most secret ones are."""

    def to_json(self) -> bytes:
        """As the index keeps it."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> DeadLetter:
        """The opposite of to_json."""
        facts = orjson.loads(text)
        error = JobError(**known(JobError, facts["error"]))
        return cls(**{**known(cls, facts), "error": error})


@dataclass(frozen=True, slots=True)
class Death:
    """Why, when and where a job died."""

    error: JobError
    died: float
    worker: str
    attempts: list[dict[str, Any]] = field(default_factory=list)


def bury(message: Message, queue: str, death: Death) -> tuple[Outgoing, DeadLetter]:
    """The message for the dead queue of `queue`, and what the index says of it. Its id follows from job
    and generation, so that a letter published twice after a crash is one letter."""
    dead_id = f"{message.job_id}~{message.generation}" if message.job_id else uuid.uuid4().hex
    letter = DeadLetter(
        id=dead_id,
        job_id=message.job_id,
        task=message.task,
        queue=queue,
        generation=message.generation,
        attempt=message.attempt,
        reason=death.error.reason,
        error=death.error,
        died=death.died,
        worker=death.worker,
        attempts=death.attempts[-KEPT_ATTEMPTS:],
        body=message.body[:LONGEST_BODY_SHOWN].decode("utf-8", "replace"),
        size=len(message.body),
        workflow=message.workflow.partition("/")[0],
    )
    room = _room_beside(message.extra)
    headers = {
        f"{_PREFIX}id": letter.id,
        f"{_PREFIX}queue": queue,
        REASON: letter.reason,
        f"{_PREFIX}type": short(death.error.type, room),
        f"{_PREFIX}message": short(death.error.message, room),
        f"{_PREFIX}traceback": short(death.error.traceback, room),
        f"{_PREFIX}frame": short(death.error.frame, LONGEST_FRAME),
        f"{_PREFIX}at": round(death.died * 1000),
        f"{_PREFIX}worker": death.worker,
        f"{_PREFIX}attempts": orjson.dumps(fitting(letter.attempts, room)).decode(),
    }
    corpse = message._replace(
        due=None, parks=0, waiting_since=None, extra={**message.extra, **headers}
    )
    return Outgoing(corpse, queue, dead=True), letter


def bury_malformed(
    found: Malformed, queue: str, died: float, worker: str
) -> tuple[Outgoing, DeadLetter]:
    """The same for a delivery that was no job, or whose signature is not valid. Signed, such a letter would
    be a job that anybody could have made."""
    if found.unsigned is not None:
        error = JobError("BadSignature", found.reason, "", BAD_SIGNATURE)
        outgoing, letter = bury(found.unsigned, queue, Death(error, died, worker))
        return replace(outgoing, refused=True), letter
    kept = {name: v for name, v in found.headers.items() if name not in OWN and name[:2] != "x-"}
    message = Message(found.job_id or "", found.task or "", found.body, created=died, extra=kept)
    error = JobError("MalformedMessage", found.reason, "", "malformed")
    outgoing, letter = bury(message, queue, Death(error, died, worker))
    return replace(outgoing, refused=True), letter


def read(message: Message, queue: str) -> DeadLetter:
    """What a message in the dead queue of `queue` says of itself. Never raises: one that came there by
    other ways says so."""
    headers = message.extra

    def text(name: str, default: str = "") -> str:
        return str(headers.get(_PREFIX + name, default))

    reason = text("reason", "undelivered")
    error = JobError(
        text("type", "Undelivered"), text("message"), text("traceback"), reason, text("frame")
    )
    at = headers.get(f"{_PREFIX}at", 0)
    return DeadLetter(
        id=_usable_id(text("id")) or f"{message.job_id}~{message.generation}",
        job_id=message.job_id,
        task=message.task,
        queue=text("queue", queue),
        generation=message.generation,
        attempt=message.attempt,
        reason=reason,
        error=error,
        died=at / 1000 if type(at) is int and 0 <= at < FAR_FUTURE_MS else 0.0,
        worker=text("worker"),
        attempts=_attempts(text("attempts", "[]")),
        body=message.body[:LONGEST_BODY_SHOWN].decode("utf-8", "replace"),
        size=len(message.body),
        workflow=message.workflow.partition("/")[0],
    )


def _usable_id(text: str) -> str:
    """An id as it stands; one that is too long to be a letter's, or has characters that the index needs, is
    told from others all the same."""
    if len(text) <= LONGEST_ID and not _CONTROL.search(text):
        return text
    return uuid.uuid5(uuid.NAMESPACE_OID, text.encode("utf-8", "replace").decode()).hex


def _attempts(text: str) -> list[dict[str, Any]]:
    """The attempts in a header, without what is none: anybody may have written it."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return [one for one in found if _is_attempt(one)] if isinstance(found, list) else []


def _is_attempt(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and type(one.get("attempt")) is int
        and all(isinstance(one.get(name, ""), str) for name in ("worker", "type", "message"))
    )


def is_letter(message: Message) -> bool:
    """True if the message is a dead letter, and no job that waits to run."""
    return f"{_PREFIX}id" in message.extra


def unburied(message: Message) -> Message:
    """The very attempt of which this is the letter."""
    extra = {name: value for name, value in message.extra.items() if not name.startswith(_PREFIX)}
    return message._replace(extra=extra)


def revive(message: Message) -> Message:
    """The job of a dead letter, ready for its queue: attempts start afresh, one generation later."""
    return unburied(message)._replace(
        attempt=1,
        generation=message.generation + 1,
        due=None,
        parks=0,
        waiting_since=None,
        expires=None,  # whoever replays it wants it to run
    )


def _room_beside(headers: Headers) -> int:
    """Bytes for each of our longer texts: all headers travel in one frame, of 128 KiB by RabbitMQ's
    default frame_max, and those that came with the job stay."""
    taken = len(repr(headers).encode("utf-8", "backslashreplace"))
    return max(200, min(_LONGEST_TEXT, (_ALL_HEADERS - taken) // 5))


def short(text: str, room: int) -> str:
    """The beginning of a text, in so many bytes."""
    return text.encode()[:room].decode("utf-8", "ignore")


def fitting(attempts: Sequence[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """The last attempts, as many as take so many bytes as JSON."""
    kept = list(attempts)
    while kept and len(orjson.dumps(kept)) > room:
        kept.pop(0)
    return kept
