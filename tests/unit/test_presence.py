"""Whose claims are abandoned: judged by the owner's own times."""

from __future__ import annotations

from typing import Any

import pytest

from warrener.presence import Presence, PresenceBoard
from warrener.settings import Settings
from warrener.store import Store

BEAT, CLAIMED = 3.0, 1000.0
RUN = {"id": "job", "token": "mine"}


@pytest.fixture
def board(store: Store) -> PresenceBoard:
    return PresenceBoard(Settings(beat=BEAT), store)


def seen(at: float, **listed: Any) -> Presence:
    return Presence("boot", "heavy-1", "host", 1, "0", ["q"], "processes", 4, 0.0, at, **listed)


def test_a_claim_of_a_lapsed_owner_is_abandoned(board: PresenceBoard) -> None:
    assert board.abandoned(None, "mine", CLAIMED)


@pytest.mark.parametrize("beats", [-1.0, 0.0, 1.0, 2.0])
def test_a_claim_that_its_owner_may_not_have_listed_yet_is_not(
    board: PresenceBoard, beats: float
) -> None:
    assert not board.abandoned(seen(CLAIMED + beats * BEAT), "mine", CLAIMED)


def test_a_claim_that_its_owner_should_have_listed_is(board: PresenceBoard) -> None:
    late = CLAIMED + 2.01 * BEAT
    assert board.abandoned(seen(late), "mine", CLAIMED)
    assert board.abandoned(seen(late, running=[{"id": "job", "token": "other"}]), "mine", CLAIMED)


@pytest.mark.parametrize("listed", [{"running": [RUN]}, {"claiming": ["mine"]}])
def test_a_claim_that_its_owner_lists_is_not(board: PresenceBoard, listed: dict[str, Any]) -> None:
    assert not board.abandoned(seen(CLAIMED + 1000 * BEAT, **listed), "mine", CLAIMED)
