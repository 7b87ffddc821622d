"""Retention, as long as something is wrong: what is listed and not there, and a queue that is busy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from warrener.expiring import drop_older_than
from warrener.letter_index import DeadLetterIndex
from warrener.operating import OperationRunner
from warrener.operations import Operation, Operations

from . import yard as tasks
from .conftest import QUEUE, Yard


async def _carried_out(yard: Yard, operation_id: str) -> Operation:
    runner, operations = (
        OperationRunner(lambda: yard.client),
        Operations(yard.app.settings, yard.client.store),
    )
    assert await operations.take(operation_id, runner.owner) == "ok"
    await runner.carry_out(yard.client, operation_id)
    return await operations.find(operation_id)


async def test_one_pass_is_asked_for_and_a_list_that_is_wrong_is_made_anew(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard.worker():
        await tasks.broken.send("a", "ValueError")
        [letter] = await yard.letters(1)
    index = DeadLetterIndex(yard.app.settings, yard.client.store)
    await index.add([replace(letter, id="ghost~0", died=letter.died - 10)])
    monkeypatch.setattr(yard.client, "clock", lambda: letter.died + 95)
    kept_for = 100.0  # so that the letter is young, and the ghost is old
    [first] = await drop_older_than(yard.client, kept_for)
    assert await drop_older_than(yard.client, kept_for) == []
    ended = await _carried_out(yard, first)
    assert (ended.wanted.kind, ended.wanted.total, ended.done) == ("discard", 1, 0)
    [second] = await drop_older_than(yard.client, kept_for)
    assert await drop_older_than(yard.client, kept_for) == []
    ended = await _carried_out(yard, second)
    assert (ended.wanted.kind, ended.wanted.by) == ("reindex", "retention")
    assert await drop_older_than(yard.client, kept_for) == []
    [line] = (await index.search([QUEUE])).letters
    assert line.id == letter.id
