"""Whose claims are abandoned: judged by the owner's own times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from warrener.errors import WorkerNameTaken
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


async def test_the_lost_are_forgotten_after_an_hour_though_one_an_hour_is_lost(
    board: PresenceBoard, store: Store
) -> None:
    for hour in range(5):
        lapsed = replace(seen(CLAIMED + hour * 3000), owner=f"boot-{hour}", name=f"heavy-{hour}")
        await _lapse(board, store, lapsed)
        assert lapsed.name in await board.lost(lapsed.seen)
    [kept] = await store.client.keys("*:workers-lost")
    assert await store.client.zrange(kept, 0, -1) == [b"boot-3 heavy-3", b"boot-4 heavy-4"]


@pytest.mark.parametrize("noticed", [True, False])
async def test_one_that_came_back_and_left_is_not_lost(
    board: PresenceBoard, store: Store, noticed: bool
) -> None:
    await _lapse(board, store, other := replace(seen(CLAIMED), owner="boot-2", name="heavy-2"))
    await _lapse(board, store, seen(CLAIMED))
    if noticed:
        assert set(await board.lost(CLAIMED + 1)) == {"heavy-1", "heavy-2"}
    again = replace(seen(CLAIMED + 60), owner="boot-3")
    await board.take_name(again)
    await board.renew(again)
    await board.leave(again)
    assert set(await board.lost(CLAIMED + 61)) == {other.name}
    assert await board.living() == []


async def test_one_whose_name_was_taken_leaves_it_to_who_has_it(board: PresenceBoard) -> None:
    await board.take_name(mine := seen(CLAIMED))
    await board.renew(mine)
    other = replace(mine, owner="boot-2")
    with pytest.raises(WorkerNameTaken):
        await board.take_name(other)
    await board.leave(other)
    with pytest.raises(WorkerNameTaken):
        await board.take_name(other)
    assert await board.living() == [mine]


async def _lapse(board: PresenceBoard, store: Store, presence: Presence) -> None:
    """What is left of a worker that was killed, a presence's lifetime later."""
    await board.renew(presence)
    keys = [key async for key in store.client.scan_iter("*:worker:*")]
    await store.client.delete(
        *keys, *[key async for key in store.client.scan_iter("*:worker-name:*")]
    )
