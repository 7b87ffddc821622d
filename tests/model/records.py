"""The moves of a job's record as pure functions: what scripts/*.lua do, without the fields that no
script compares. test_scripts_agree.py holds every move that the search makes against the real scripts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

ENDED = ("SUCCESS", "REVOKED")
WAITING = ("PENDING", "SCHEDULED", "RETRY")


class Flaw(StrEnum):
    """One rule of the protocol, switched off. The search must then find a violation."""

    DEBT_NOT_RECORDED = "the end of an attempt does not record what it owes"
    ENDED_IS_ACKNOWLEDGED = (
        "an ended attempt's redelivery is acknowledged without publishing its debt"
    )
    PAID_BEFORE_CONFIRM = "the debt is cleared before it is published"
    ACKNOWLEDGED_FIRST = "a run's delivery is acknowledged before its end is stored"
    STATE_BEFORE_GENERATION = "a claim compares the state before the generation"
    GENERATION_FROM_RECORD = "a replay raises the generation from the record"
    HELD_IS_ACKNOWLEDGED = "a copy of a job that somebody holds is acknowledged as a duplicate"
    HELD_IS_TAKEN = "a held job is taken over without asking whether its owner lives"
    CLAIMS_OUTLIVE = "the presence of a dead worker never lapses"
    SUBMISSION_LOWERS = "the submission's record overwrites the state that it finds"
    RECORD_BEFORE_REPLAY = "a replay moves the record before it publishes"
    UNKNOWN_IS_DROPPED = "a purge acknowledges a job without a record, and records nothing"
    REVOKED_IS_UNCONFIRMED = (
        "a revoked record stays unconfirmed, so that its submitter makes it permanent"
    )
    ASKED_RUNS_AGAIN = "a run that was asked to end and was lost or handed back is begun again"


class Record(NamedTuple):
    """The fields that scripts compare. Tokens and owners are small numbers, 0 for none."""

    state: str
    generation: int = 0
    attempt: int = 1
    token: int = 0
    owner: int = 0
    """Kept only while STARTED, since nothing reads it in any other state."""
    losses: int = 0
    owed: str = ""
    """What an ended attempt has not published yet: retry, dead, or nothing."""
    unconfirmed: bool = False
    expires: bool = False
    asked: bool = False
    """True if somebody has asked its run to end."""


class Command(NamedTuple):
    """A call of one script."""

    script: str
    generation: int = 0
    attempt: int = 0
    token: int = 0
    owner: int = 0
    abandoned: int = 0
    due: bool = False
    losses: int = 0


class Answer(NamedTuple):
    """What a script says, and of its values those that the caller acts on."""

    kind: str
    token: int = 0
    owner: int = 0
    losses: int = 0
    owed: str = ""


Moved = tuple[Record | None, Answer]

OK, SUPERSEDED, FORGOTTEN, STALE, BEYOND = (
    Answer("ok"),
    Answer("superseded"),
    Answer("forgotten"),
    Answer("stale"),
    Answer("beyond"),
)


def move(record: Record | None, command: Command, flaw: Flaw | None = None) -> Moved:
    """The record after this command, and the answer."""
    match command.script:
        case "claim":
            return _claim(record, command, flaw)
        case "submit":
            return _submit(record, command, flaw)
        case "reserve":
            return _reserve(record)
        case "replay":
            return _replay(record, command)
        case "revoke":
            return _revoke(record, command, flaw)
        case "ask":
            return _ask(record, flaw)
        case "pay":
            paid = record is not None and record.token == command.token
            return (record._replace(owed="") if record and paid else record), OK
        case "retry" | "fail" | "succeed" as script:
            return _end(record, script, command.token, flaw)
        case script:
            return _while_started(record, script, command)


def _claim(record: Record | None, command: Command, flaw: Flaw | None) -> Moved:
    losses, expires = 0, False
    if record is not None:
        settled = Answer("settled", token=record.token, owed=record.owed)
        wanted = (command.generation, command.attempt)
        if record.state in ENDED or (
            flaw is Flaw.STATE_BEFORE_GENERATION and record.state == "FAILURE"
        ):
            return record, settled
        if wanted < (record.generation, record.attempt):
            return record, STALE
        if command.generation == record.generation:
            losses = record.losses
            if record.state == "FAILURE":
                return record, settled
            if command.attempt == record.attempt:
                if record.state == "RETRY":
                    return record, settled
                if record.state == "STARTED":
                    if record.token == command.token:
                        return record, Answer("run", losses=losses)
                    if record.token != command.abandoned and flaw is not Flaw.HELD_IS_TAKEN:
                        return record, Answer("held", record.token, record.owner)
                    losses += 1
            if record.asked and flaw is not Flaw.ASKED_RUNS_AGAIN:
                revoked = _revoked(record, flaw)._replace(attempt=command.attempt)
                return revoked, Answer("settled", token=record.token)
        expires = record.expires and not record.unconfirmed and record.state != "FAILURE"
    claimed = Record(
        "STARTED",
        command.generation,
        command.attempt,
        command.token,
        command.owner,
        losses,
        expires=expires,
    )
    return claimed, Answer("run", losses=losses)


def _submit(record: Record | None, command: Command, flaw: Flaw | None) -> Moved:
    waiting = "SCHEDULED" if command.due else "PENDING"
    if record is None:
        return Record(waiting), OK
    if flaw is Flaw.SUBMISSION_LOWERS:
        return record._replace(state=waiting, unconfirmed=False, expires=False), OK
    if not record.unconfirmed:
        return record, OK
    state = "SCHEDULED" if command.due and record.state == "PENDING" else record.state
    return record._replace(state=state, unconfirmed=False, expires=False), OK


def _reserve(record: Record | None) -> Moved:
    if record is None:
        return Record("PENDING", unconfirmed=True, expires=True), Answer("new")
    return record, Answer("unconfirmed" if record.unconfirmed else "exists")


def _replay(record: Record | None, command: Command) -> Moved:
    dead = (command.generation, "FAILURE")
    if record is not None and (record.generation, record.state) != dead:
        return record, BEYOND
    unconfirmed = record is not None and record.unconfirmed
    return Record("PENDING", command.generation + 1, unconfirmed=unconfirmed), OK


def _revoke(record: Record | None, command: Command, flaw: Flaw | None) -> Moved:
    order = (command.generation, command.attempt)
    if record is None:
        if flaw is Flaw.UNKNOWN_IS_DROPPED:
            return None, Answer("missing")
        return Record("REVOKED", *order, expires=True), Answer("revoked")
    if order < (record.generation, record.attempt):
        return record, STALE
    if record.state not in WAITING:
        return record, Answer("unchanged")
    return _revoked(record, flaw), Answer("revoked")


def _revoked(record: Record, flaw: Flaw | None) -> Record:
    return record._replace(
        state="REVOKED",
        owner=0,
        owed="",
        unconfirmed=record.unconfirmed and flaw is Flaw.REVOKED_IS_UNCONFIRMED,
        expires=True,
        asked=False,
    )


def _ask(record: Record | None, flaw: Flaw | None) -> Moved:
    if record is None or record.unconfirmed:
        return record, Answer("unknown")
    if record.state == "STARTED":
        return record._replace(asked=True), Answer("asked")
    if record.state not in WAITING:
        return record, Answer("ended")
    return _revoked(record, flaw), Answer("revoked")


def _end(record: Record | None, script: str, token: int, flaw: Flaw | None) -> Moved:
    state = {"retry": "RETRY", "fail": "FAILURE", "succeed": "SUCCESS"}[script]
    if record is None or not record.token:
        return record, FORGOTTEN
    if record.token != token:
        return record, SUPERSEDED
    if record.state == state:
        return record, OK
    if record.state == "REVOKED" and script != "succeed":
        return record, Answer("revoked")
    if record.state != "STARTED":
        return record, SUPERSEDED
    if record.asked and script != "succeed":
        return _revoked(record, flaw), Answer("revoked")
    owed = {"retry": "retry", "fail": "dead", "succeed": ""}[script]
    if flaw is Flaw.DEBT_NOT_RECORDED:
        owed = ""
    expires = record.expires or state == "SUCCESS"
    return record._replace(state=state, owner=0, owed=owed, expires=expires), OK


def _while_started(record: Record | None, script: str, command: Command) -> Moved:
    if script == "release" and (record is None or not record.token):
        return record, FORGOTTEN
    if record is None or record.state != "STARTED" or record.token != command.token:
        return record, SUPERSEDED
    if script == "release":
        return record._replace(state="PENDING", token=0, owner=0), OK
    losses = max(record.losses, command.losses)
    return record._replace(losses=losses), Answer("ok", losses=losses)
