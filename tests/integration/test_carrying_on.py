"""Operations on dead letters whose process is killed at a given moment, and which another carries on: every
letter is counted once, and is in the audit trail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from warrener import JobHandle, State
from warrener.asking import ask
from warrener.audit import AuditTrail
from warrener.letter_index import DeadLetterIndex
from warrener.operating import OperationRunner
from warrener.operations import Operation, Operations, Wanted
from warrener.picking import Picking
from warrener.selecting import ALL, Selection
from warrener.taking import Pass, locked
from warrener.transitions import Transition

from . import yard as tasks
from .conftest import QUEUE, Yard

DEAD = f"{QUEUE}.dead"
REPLAY = Wanted("replay", QUEUE, "mx", ALL)
DISCARD = Wanted("discard", QUEUE, "mx", ALL, reason="spam")


class _Killed(BaseException):
    """Stands for the end of the process."""


PICKED = Selection(task=tasks.broken.name)
MOMENTS = {
    "before the trail": (AuditTrail, "write"),
    "before the note": (Operations, "note"),
    "before the acknowledgement": (Pass, "settle"),
}


async def _dead_jobs(yard: Yard, *names: str) -> dict[str, JobHandle[str]]:
    """Jobs that have died in this order."""
    jobs = {}
    for number, name in enumerate(names, 1):
        jobs[name] = await tasks.broken.send(name, "ValueError")
        await yard.letters(number)
    return jobs


def _operations(yard: Yard) -> Operations:
    return Operations(yard.app.settings, yard.client.store)


async def _killed(yard: Yard, moment: str, wanted: Wanted, owner: OperationRunner) -> Operation:
    """An operation whose process was killed in its first group, at this moment."""
    operation_id = await ask(yard.client, wanted, owner.owner)
    kind, name = MOMENTS[moment]
    if kind is Pass and wanted.selection == PICKED:
        kind = Picking
    as_ever = getattr(kind, name)

    async def killed(self: Any, *given: Any, **named: Any) -> Any:
        if name == "note" and "done" not in given[2]:
            return await as_ever(self, *given, **named)
        raise _Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, name, killed)
        with pytest.raises(_Killed):
            await owner.carry_out(yard.client, operation_id)
    return await _operations(yard).find(operation_id)


async def _carried_on(yard: Yard, owner: OperationRunner, operation_id: str) -> Operation:
    assert await _operations(yard).take(operation_id, owner.owner) == "ok"
    await owner.carry_out(yard.client, operation_id)
    return await _operations(yard).find(operation_id)


async def _in_the_trail(yard: Yard, one: Operation) -> Counter[str]:
    """How often each letter is in the entries of what an operation did."""
    entries = await AuditTrail(yard.app.settings, yard.client.store).read()
    found = [entry for entry in entries if entry.what == one.wanted.kind]
    return Counter(letter for entry in found for letter in entry.facts["ids"])


@pytest.mark.parametrize(
    "wanted, limit, window",
    [(REPLAY, None, 100), (REPLAY, 3, 2), (replace(DISCARD, selection=PICKED), 3, 100)],
    ids=["replay", "replay with a limit", "discard of few that are picked"],
)
@pytest.mark.parametrize("moment", list(MOMENTS))
async def test_each_letter_counts_once_whenever_a_pass_is_killed(
    yard: Yard,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    wanted: Wanted,
    limit: int | None,
    window: int,
) -> None:
    count, expected = 5, limit or 5
    monkeypatch.setattr("warrener.steering.WINDOW", window)
    async with yard.worker():
        jobs = await _dead_jobs(yard, *"abcde")
        runner = OperationRunner(lambda: yard.client)
        left = await _killed(yard, moment, replace(wanted, limit=limit), runner)
        # Picking begins with a group of one.
        first = 1 if wanted.selection == PICKED else min(window, expected)
        assert left.done == (first if moment == "before the acknowledgement" else 0)
        assert len(await yard.waiting(DEAD)) == count
        ended = await _carried_on(yard, runner, left.id)
        assert (ended.state, ended.done, ended.already, ended.failed) == ("done", expected, 0, 0)
        stay = {message.correlation_id for message in await yard.waiting(DEAD)}
        assert len(stay) == count - expected
        gone = {job.id for job in jobs.values()} - stay
        assert await DeadLetterIndex(yard.app.settings, yard.client.store).count(QUEUE) == len(stay)
        trail = await _in_the_trail(yard, ended)
        assert set(trail) == {f"{job_id}~0" for job_id in gone}
        # Killed between the trail and the note, a group is there twice: better than not at all.
        assert max(trail.values()) == (2 if moment == "before the note" else 1)
        state = State.SUCCESS if wanted.kind == "replay" else State.FAILURE
        for status in await yard.ended(*gone):
            assert status.state is state


async def test_one_that_is_cancelled_ends_though_its_queue_is_busy(yard: Yard) -> None:
    async with yard.worker():
        await _dead_jobs(yard, "a")
    runner, operations = OperationRunner(lambda: yard.client), _operations(yard)
    operation_id = await ask(yard.client, REPLAY, runner.owner)
    assert await operations.cancel(operation_id, 0.0) == "asked"
    async with locked(yard.client.publisher, yard.app.settings, DEAD):
        ended = await _carried_on(yard, runner, operation_id)
    assert (ended.state, ended.done) == ("cancelled", 0)
    assert len(await yard.waiting(DEAD)) == 1


async def test_one_that_is_carried_on_spares_what_has_died_again(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warrener.steering.WINDOW", 1)
    async with yard.worker():
        first = await tasks.die_once.send("a")
        await yard.letters(1)
        await tasks.die_once.send("b")
        await yard.letters(2)
        runner = OperationRunner(lambda: yard.client)
        left = await _killed(yard, "before the acknowledgement", REPLAY, runner)
        await yard.letters(2)
        ended = await _carried_on(yard, runner, left.id)
        assert (ended.state, ended.done) == ("done", 2)
        assert (await yard.status(first)).replays == 1


async def test_the_record_tells_of_no_edit_that_another_replay_forestalled(yard: Yard) -> None:
    runner, edited = (
        OperationRunner(lambda: yard.client),
        replace(REPLAY, edit={"kind": "KeyError"}),
    )
    async with yard.worker():
        jobs = await _dead_jobs(yard, "a")
        # Published as it was, and there still: for the next operation that is done already.
        await _killed(yard, "before the acknowledgement", REPLAY, runner)
        await yard.ended(jobs["a"])
        operation_id = await ask(yard.client, edited, runner.owner)
        await runner.carry_out(yard.client, operation_id)
        one = await _operations(yard).find(operation_id)
        assert (one.state, one.done, one.already) == ("done", 0, 1)
        assert (await yard.status(jobs["a"])).edits == []


async def test_the_record_tells_of_an_edit_whose_job_had_run_before_it_was_noted(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, edited = (
        OperationRunner(lambda: yard.client),
        replace(REPLAY, edit={"kind": "KeyError"}),
    )
    async with yard.worker():
        jobs = await _dead_jobs(yard, "a")
        operation_id = await ask(yard.client, edited, runner.owner)
        apply = yard.client.store.apply

        async def killed(moves: Sequence[Transition]) -> Any:
            if any(move.script == "replay" for move in moves):
                raise _Killed
            return await apply(moves)

        with monkeypatch.context() as patch:
            patch.setattr(yard.client.store, "apply", killed)
            with pytest.raises(_Killed):
                await runner.carry_out(yard.client, operation_id)
        await yard.noted("end a")
        await yard.ended(jobs["a"])
        assert (await yard.status(jobs["a"])).edits == []
        ended = await _carried_on(yard, runner, operation_id)
        assert (ended.state, ended.done) == ("done", 1)
        [edit] = (await yard.status(jobs["a"])).edits
        assert edit["operation"] == operation_id
