"""What must hold: after each step, and whenever everything has come to rest."""

from __future__ import annotations

from .records import ENDED
from .world import State

LOST = "lost"
OVERLAP = "two runs overlap in living workers"
AGAIN = "a job runs again after its success was recorded"
BACKWARDS = "the record moves backwards"
FORGOTTEN = "the record of an unfinished job can expire"
KEPT = "the record of an ended job never expires"
REVOKED_RUNS = "a run that was asked to end has ended, and another begins"
TWO_ENDS = "a job has ended well and has a dead letter"
NO_LETTER = "a failed job has no dead letter"
IN_DEBT = "a debt is left unpublished"

FINAL = (*ENDED, "FAILURE")


def wrong_step(before: State, after: State) -> str | None:
    """What this step breaks, or None."""
    if len(after.hands) > 1 and sum([hand.step == "run" for hand in after.hands]) > 1:
        return OVERLAP
    old, new = before.record, after.record
    if new is old or new is None:
        return None
    if old is not None:
        if old.state in ENDED and new.state != old.state:
            return AGAIN
        if (new.generation, new.attempt) < (old.generation, old.attempt):
            return BACKWARDS
    if (
        old is not None
        and old.asked
        and new.state == "STARTED"
        and new.generation == old.generation
        and new.token != old.token
    ):
        return REVOKED_RUNS
    if new.expires and not new.unconfirmed and new.state not in ENDED:
        return FORGOTTEN
    if new.state in ENDED and not new.expires:
        return KEPT
    return None


def at_rest(state: State) -> bool:
    """True if nothing is under way and no message waits."""
    if state.ready or state.hands or state.replayer is not None or state.purger is not None:
        return False
    return state.submitter in ("accepted", "gone")


def wrong_at_rest(state: State) -> str | None:
    """What is broken if it stays like this, or None."""
    record = state.record
    if record is None or record.unconfirmed:
        return LOST if state.submitter == "accepted" else None
    if record.state not in FINAL:
        return LOST
    if record.owed:
        return IN_DEBT
    if record.state == "FAILURE" and record.generation not in state.letters:
        return NO_LETTER
    if record.state in ENDED and record.generation in state.letters:
        return TWO_ENDS
    return None
