"""Few letters picked out of many: the rest stays where it is, and the pass ends where the last one was."""

from __future__ import annotations

import pytest

from warrener import picking
from warrener.asking import ask
from warrener.messages import Message
from warrener.operating import OperationRunner
from warrener.operations import Operation, Operations, Wanted
from warrener.outgoing import Outgoing
from warrener.picking import Picking
from warrener.selecting import Selection

from .conftest import QUEUE, Yard

DEAD = f"{QUEUE}.dead"
LETTERS = [f"job-{number}" for number in range(250)]


async def _full_dead_queue(yard: Yard, queue_type: str = "quorum") -> None:
    """Letters of jobs without a record, which are not listed either."""
    yard.app.settings = yard.app.settings.model_copy(update={"queue_type": queue_type})
    letters = [Outgoing(Message(one, "yard.run", b"{}"), QUEUE, dead=True) for one in LETTERS]
    assert not any(await yard.client.publisher.publish_many(letters))


async def _replayed(yard: Yard, selection: Selection, limit: int | None = None) -> Operation:
    runner = OperationRunner(lambda: yard.client)
    wanted = Wanted("replay", QUEUE, "mx", selection, limit)
    operation_id = await ask(yard.client, wanted, runner.owner)
    await runner.carry_out(yard.client, operation_id)
    return await Operations(yard.app.settings, yard.client.store).find(operation_id)


async def _ids_in(yard: Yard, queue: str) -> list[str]:
    return [message.correlation_id or "" for message in await yard.waiting(queue)]


@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
async def test_what_is_picked_goes_and_all_others_stay_in_their_order(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, queue_type: str
) -> None:
    monkeypatch.setattr(picking, "GROUP", 30)
    await _full_dead_queue(yard, queue_type)
    left, gone = list(LETTERS), list[str]()
    # Far down, near the head, and many of one group; what was held before must not come in front.
    for chosen in ([150], [3], [10, *range(40, 70, 2), 81], [120]):
        ids = [left[n] for n in chosen]
        ended = await _replayed(yard, Selection(ids=frozenset(ids)))
        assert (ended.state, ended.done, ended.faults) == ("done", len(ids), [])
        assert ended.seen < len(left), "it went further than it had to"
        left, gone = [one for one in left if one not in ids], [*gone, *ids]
    # Of what nobody has, all is looked at.
    ended = await _replayed(yard, Selection(task="no.such.task"))
    assert (ended.done, ended.seen) == (0, len(left))
    # The first that fit, of many that do.
    ended = await _replayed(yard, Selection(task="yard.run"), limit=2)
    assert ended.done == 2
    assert await _ids_in(yard, DEAD) == left[2:]
    assert await _ids_in(yard, QUEUE) == [*gone, *left[:2]]


async def test_a_limit_does_not_make_many_groups_of_what_lies_before(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a channel of its own, of which a connection has no more than 2047."""
    channels = []
    close = Picking.close

    async def noted(it: Picking) -> None:
        channels.append(len(it._held))
        await close(it)

    monkeypatch.setattr(picking, "GROUP", 60)
    monkeypatch.setattr(Picking, "close", noted)
    await _full_dead_queue(yard)
    ended = await _replayed(yard, Selection(ids=frozenset({LETTERS[200]})), limit=1)
    assert (ended.state, ended.done) == ("done", 1)
    assert channels
    assert max(channels) < 12
    assert await _ids_in(yard, DEAD) == [one for one in LETTERS if one != LETTERS[200]]


async def test_letters_that_were_held_often_are_written_anew(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picking, "OFTEN", 2)
    await _full_dead_queue(yard)
    held = []
    settle = Picking.settle

    async def noted(it: Picking, *given: object) -> None:
        held.append(it)
        await settle(it, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Picking, "settle", noted)
    left = list(LETTERS)
    for picked in (True, True, False, True):
        held.clear()
        ended = await _replayed(yard, Selection(ids=frozenset([left[5]])))
        assert (ended.done, bool(held)) == (1, picked)
        del left[5]
    assert await _ids_in(yard, DEAD) == left
