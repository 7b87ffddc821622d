"""The states of a job, and the only moves between them.

    (none) ──► PENDING ──► STARTED ──► SUCCESS
        └────► SCHEDULED ──►  │ ├────► REVOKED
                              │ ├────► RETRY ──► STARTED (next attempt)
                              │ ├────► PENDING (handed back, or lost and taken over)
                              │ └────► FAILURE (dead-lettered) ──► PENDING (replayed, next generation)
    (none), PENDING, SCHEDULED, RETRY ──► REVOKED
    (none) ──► STARTED (claimed before its submission was recorded)
    STARTED ──► STARTED (taken over from a lost worker)
    FAILURE ──► STARTED (replayed, and claimed before the replay was recorded)
    (none), FAILURE ──► REVOKED (so claimed, but expired)

SUCCESS and REVOKED are final. FAILURE is final for its generation: only a replay leaves it.
The scripts in scripts/ make these moves; a test holds them against this table.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job stands; the names are Celery's."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    STARTED = "STARTED"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"

    @property
    def is_terminal(self) -> bool:
        """True for a state in which the job has ended."""
        return self in TERMINAL


TERMINAL = frozenset({State.SUCCESS, State.FAILURE, State.REVOKED})

TRANSITIONS: dict[State | None, frozenset[State]] = {
    None: frozenset({State.PENDING, State.SCHEDULED, State.STARTED, State.REVOKED}),
    State.PENDING: frozenset({State.STARTED, State.REVOKED}),
    State.SCHEDULED: frozenset({State.STARTED, State.REVOKED}),
    State.STARTED: frozenset(
        {
            State.STARTED,
            State.PENDING,
            State.SUCCESS,
            State.RETRY,
            State.FAILURE,
            State.REVOKED,
        }
    ),
    State.RETRY: frozenset({State.STARTED, State.REVOKED}),
    State.FAILURE: frozenset({State.PENDING, State.STARTED, State.REVOKED}),
    State.SUCCESS: frozenset(),
    State.REVOKED: frozenset(),
}
