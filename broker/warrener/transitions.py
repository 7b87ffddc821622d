"""The moves of a job's record, one function for each script in scripts/, and what they answer.

Building one does no I/O: Store.apply() sends any number of them in one round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .messages import Message

Reply = list[bytes]
Subject = tuple[Message, str]
"""An attempt and its work queue."""


class Transition(NamedTuple):
    """A call of one script on one job's record."""

    script: str
    job_id: str
    arguments: tuple[str | bytes | int | float, ...]
    announces: bool = False
    """True if it may end the job: the script is told the channel on which waiters listen."""
    about: Subject | None = None
    """For what is kept beside the records, where whoever makes the move knows it."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Who claims: `owner` is this start of this worker, never its name alone."""

    owner: str
    worker: str


class Granted(NamedTuple):
    """The claim was granted; `losses` counts the runs that died with their process."""

    losses: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The attempt has ended before; `owed` is what its end still had to publish, as JSON, and `token`
    the run that owes it."""

    owed: bytes
    token: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The job is at a later attempt or generation."""


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else's claim stands."""

    owner: str
    worker: str
    token: str
    claimed: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The record cannot be used, for this reason."""

    reason: str


Verdict = Granted | Settled | Stale | Held | Broken


def reserve(job_id: str, fingerprint: str, task: str, queue: str, now: float) -> Transition:
    """Before publishing under an idempotency key. Answers new, unconfirmed, exists or conflict."""
    unconfirmed_for = 300
    return Transition("reserve", job_id, (fingerprint, task, queue, now, unconfirmed_for))


def unreserve(job_id: str, fingerprint: str) -> Transition:
    """The publish under an idempotency key was refused. Answers ok or kept."""
    return Transition("unreserve", job_id, (fingerprint,))


def submit(message: Message, queue: str, fingerprint: str = "") -> Transition:
    """After the confirmed publish."""
    due = "" if message.due is None else message.due
    facts = (message.task, queue, message.created, due, fingerprint, message.workflow)
    return Transition("submit", message.job_id, facts, about=(message, queue))


def claim(
    message: Message,
    queue: str,
    token: str,
    runner: Runner,
    now: float,
    record_ttl: float,
    abandoned: str = "",
) -> Transition:
    """A worker wants to run this attempt, if need be in place of an abandoned claim; one that has expired
    is revoked instead, and its record lives `record_ttl` seconds. Answers a Verdict, through read_claim."""
    who = (token, runner.owner, runner.worker, now)
    created = (message.created or now) if message.foreign else ""
    expires = "" if message.expires is None else message.expires
    return Transition(
        "claim",
        message.job_id,
        (
            *message.order,
            *who,
            message.task,
            queue,
            abandoned,
            created,
            expires,
            max(1, round(record_ttl)),
        ),
        announces=True,
        about=(message, queue),
    )


def read_claim(reply: Reply) -> Verdict:
    """What claim answered."""
    match reply[0]:
        case b"run":
            return Granted(int(reply[1]))
        case b"settled":
            return Settled(reply[1], reply[2].decode())
        case b"stale":
            return Stale()
        case b"broken":
            return Broken(reply[1].decode())
        case _:
            owner, worker, token = (part.decode() for part in reply[1:4])
            return Held(owner, worker, token, float(reply[4]))


def release(job_id: str, token: str) -> Transition:
    """Hand a claimed job back, uncharged. Answers ok, superseded or forgotten."""
    return Transition("release", job_id, (token,))


def lose(job_id: str, token: str, losses: int) -> Transition:
    """Charge the job with the death of its process, the `losses`th. Answers ok and its losses, or
    superseded."""
    return Transition("lose", job_id, (token, losses))


def succeed(
    job_id: str,
    token: str,
    now: float,
    result: bytes,
    ttls: tuple[float, float],
    owed: bytes = b"",
    about: Subject | None = None,
) -> Transition:
    """The run ended well. `ttls`: seconds that the result and the record live. Answers ok, superseded
    or forgotten."""
    kept = b"" if result == b"null" else result
    result_ttl, record_ttl = ttls
    arguments = (token, now, kept, max(1, round(result_ttl)), max(1, round(record_ttl)), owed)
    return Transition("succeed", job_id, arguments, announces=True, about=about)


@dataclass(frozen=True, slots=True)
class Failing:
    """How a run failed: its error and its line of history as JSON, what the job owes for it, and the
    seconds that its record lives if it had been asked to end."""

    error: bytes
    entry: bytes
    owed: bytes
    record_ttl: float


def fail(
    job_id: str,
    token: str,
    now: float,
    how: Failing,
    due: float | None = None,
    about: Subject | None = None,
) -> Transition:
    """The run failed, and the job owes its next attempt, `due` at that Unix time, or without one its dead
    letter. Answers ok, attempts, created, losses; or revoked, superseded or forgotten."""
    ttl = max(1, round(how.record_ttl))
    arguments = (token, now, how.error, how.entry, how.owed, "" if due is None else due, ttl)
    return Transition("fail", job_id, arguments, announces=True, about=about)


def pay(job_id: str, token: str) -> Transition:
    """What the job owed has been published and confirmed."""
    return Transition("pay", job_id, (token,), announces=True)


def revoke(
    message: Message, now: float, reason: str, record_ttl: float, queue: str = ""
) -> Transition:
    """A waiting attempt shall not run. Answers revoked, stale or unchanged."""
    arguments: tuple[Any, ...] = (now, reason, round(record_ttl), *message.order)
    about = (message, queue)
    return Transition("revoke", message.job_id, arguments, announces=True, about=about)


def ask_revoke(
    job_id: str, now: float, reason: str, record_ttl: float, *, terminate: bool, abandoned: str = ""
) -> Transition:
    """Whatever attempt of the job waits shall not run; one that runs is asked to end, or its process is
    killed, and an abandoned claim ends here. Answers unknown; revoked, task, queue and part of a workflow;
    asked, owner and token; or ended and the state."""
    how = "terminate" if terminate else "cancel"
    arguments = (now, reason, max(1, round(record_ttl)), how, abandoned)
    return Transition("ask_revoke", job_id, arguments, announces=True)


def replay(message: Message, queue: str, edit: bytes = b"") -> Transition:
    """A dead letter, `message`, was published again as the next generation, to this queue; `edit` says, as
    JSON, how its arguments were changed."""
    arguments = (message.generation, message.task, queue, edit)
    return Transition("replay", message.job_id, arguments, about=(message, queue))


def discard(job_id: str, generation: int, fact: bytes, record_ttl: float) -> Transition:
    """The dead letter of this generation is given up; `fact` says who, when and why, as JSON. Answers ok,
    again, beyond or open."""
    return Transition("discard", job_id, (generation, fact, max(1, round(record_ttl))))


def progress(job_id: str, token: str, report: bytes, about: Subject | None = None) -> Transition:
    """How far the run has come."""
    return Transition("progress", job_id, (token, report), about=about)
