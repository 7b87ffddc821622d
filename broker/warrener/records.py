"""What the store says of a job: its record, as people and programs read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic_core import from_json

from .fields import known
from .states import State


@dataclass(frozen=True, slots=True)
class JobError:
    """Why an attempt failed. `type` is the exception's name, `reason` the case in one word."""

    type: str
    message: str
    traceback: str = ""
    reason: str = "error"
    """error | time_limit | worker_lost | invalid_arguments | unknown_task | malformed | …"""
    frame: str = ""
    """Where in the user's own code it was raised, as module.function:line."""

    def to_json(self) -> bytes:
        """As the store keeps it."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes) -> JobError:
        """The opposite of to_json."""
        return cls(**known(cls, orjson.loads(text)))


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job as recorded. Times are Unix seconds, None where not reached or not known."""

    id: str
    state: State
    task: str
    queue: str
    attempt: int
    generation: int
    created: float | None
    due: float | None
    started: float | None
    finished: float | None
    worker: str | None
    losses: int
    result: Any
    """The JSON value that the task returned; None before, and after `result_expired`."""
    result_expired: bool
    error: JobError | None
    attempts: list[dict[str, Any]]
    """The last failed attempts, as many as fit 16,000 bytes: attempt, started, finished, worker, error
    type and message."""
    progress: dict[str, Any] | None
    reason: str | None
    """Why it was revoked."""
    recovered: bool
    """True if the store lost the record and a worker made it again from the message."""
    edits: list[dict[str, Any]]
    """Each change of its arguments at a replay: operation, at, by, the original body (8 KiB of it) and its
    size."""
    discarded: dict[str, Any] | None
    """Of a FAILURE whose dead letter was given up: at, by, reason."""
    owes: bool
    """True while what the job's end owes, such as its dead letter, is not known to be in its queue."""
    waits_for: str | None = None
    """What keeps it from starting, where that is a limit or a pause: found where one job is shown, not by
    every look at its record."""

    @property
    def is_terminal(self) -> bool:
        """True once the job has ended."""
        return self.state.is_terminal

    @property
    def is_settled(self) -> bool:
        """True once the job has ended and, if it failed, its dead letter can be found."""
        return self.is_terminal and not (self.state is State.FAILURE and self.owes)

    @property
    def replays(self) -> int:
        """How often it was replayed from its dead queue: each replay raises the generation."""
        return self.generation


def parse_status(
    job_id: str, record: dict[bytes, bytes], result: bytes | None, now: float, result_ttl: float
) -> JobStatus | None:
    """The record's hash as a JobStatus; None for a job that nobody has confirmed or heard of."""
    if not record or b"unconfirmed" in record:
        return None
    state = State(record[b"state"].decode())
    attempts, error = record.get(b"attempts"), record.get(b"error")
    progress = record.get(b"progress")
    finished = _number(record, b"finished")
    succeeded = state is State.SUCCESS
    return JobStatus(
        id=job_id,
        state=state,
        task=_text(record, b"task") or "",
        queue=_text(record, b"queue") or "",
        attempt=int(record.get(b"attempt", 1)),
        generation=int(record.get(b"generation", 0)),
        created=_number(record, b"created"),
        due=_number(record, b"due") if state in (State.SCHEDULED, State.RETRY) else None,
        started=_number(record, b"started"),
        finished=finished if state.is_terminal or state is State.RETRY else None,
        worker=_text(record, b"worker"),
        losses=int(record.get(b"losses", 0)),
        result=from_json(result) if result and succeeded else None,
        result_expired=(
            succeeded
            and not result
            and b"has_result" in record
            and finished is not None
            and now >= finished + result_ttl
        ),
        error=JobError.from_json(error) if error and not succeeded else None,
        attempts=orjson.loads(b"[" + attempts + b"]") if attempts else [],
        progress=orjson.loads(progress) if progress else None,
        reason=_text(record, b"reason"),
        recovered=b"created" not in record,
        edits=orjson.loads(b"[" + record.get(b"edits", b"") + b"]"),
        discarded=orjson.loads(record[b"discarded"]) if b"discarded" in record else None,
        owes=b"owed" in record,
    )


def _text(record: dict[bytes, bytes], name: bytes) -> str | None:
    value = record.get(name)
    return value.decode() if value is not None else None


def _number(record: dict[bytes, bytes], name: bytes) -> float | None:
    value = record.get(name)
    return float(value) if value is not None else None
