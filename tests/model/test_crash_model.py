"""No crash between any two steps breaks a promise, and without its rules each of them breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from . import promises
from .records import Flaw
from .scenarios import SCENARIOS, explored, searched
from .search import NEVER_AT_REST
from .world import Left, Setting


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_state_keeps_the_promises(name: str) -> None:
    result = searched(name)
    print(f"{name}: {result}")
    assert result.finding is None, f"{name}: {result.finding}"


def test_the_search_is_not_a_small_one() -> None:
    # A model that has lost its steps would find nothing wrong either.
    states = {name: searched(name).states for name in SCENARIOS}
    print(f"{sum(states.values()):,} states in all")
    assert states["two crashes"] > 100_000
    assert sum(states.values()) > 300_000


CRASH = Setting(Left(crashes=1))
ASKED = Setting(Left(crashes=1, revokes=1), replays=0)
PURGE = Setting(Left(purges=1), keyed=True, replays=0)

BROKEN = {
    # Rule 1: what an attempt owes.
    Flaw.DEBT_NOT_RECORDED: (promises.LOST, CRASH),
    Flaw.ENDED_IS_ACKNOWLEDGED: (promises.LOST, CRASH),
    Flaw.PAID_BEFORE_CONFIRM: (promises.LOST, CRASH),
    Flaw.ACKNOWLEDGED_FIRST: (promises.LOST, CRASH),
    # Rule 2: generations.
    Flaw.STATE_BEFORE_GENERATION: (promises.LOST, CRASH),
    Flaw.GENERATION_FROM_RECORD: (promises.OVERLAP, CRASH),
    Flaw.RECORD_BEFORE_REPLAY: (promises.LOST, CRASH),
    # Rule 3: submission.
    Flaw.SUBMISSION_LOWERS: (promises.AGAIN, CRASH),
    # Rule 4: claims.
    Flaw.HELD_IS_ACKNOWLEDGED: (promises.LOST, CRASH),
    Flaw.HELD_IS_TAKEN: (promises.OVERLAP, Setting(Left(doubles=1))),
    Flaw.CLAIMS_OUTLIVE: (NEVER_AT_REST, replace(CRASH, replays=0)),
    # Purging.
    Flaw.UNKNOWN_IS_DROPPED: (promises.LOST, replace(PURGE, keyed=False)),
    Flaw.REVOKED_IS_UNCONFIRMED: (promises.KEPT, PURGE),
    # Revoking.
    Flaw.ASKED_RUNS_AGAIN: (promises.REVOKED_RUNS, ASKED),
}


@pytest.mark.parametrize("flaw", Flaw, ids=lambda flaw: flaw.name)
def test_without_its_rule_a_promise_breaks(flaw: Flaw) -> None:
    what, setting = BROKEN[flaw]
    result = explored(replace(setting, flaw=flaw), renumbered=False)
    print(f"If {flaw}:\n{result.finding}\n({result})")
    assert result.finding is not None
    assert result.finding.what == what
