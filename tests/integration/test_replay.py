"""Replaying dead letters: what is chosen runs again, the rest keeps its order, and a pass that is killed
can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from warrener import JobHandle, QueueNotFound, State
from warrener.letter_index import DeadLetterIndex
from warrener.replaying import Replayer
from warrener.selecting import Selection
from warrener.transitions import Reply, Transition

from . import yard as tasks
from .conftest import QUEUE, Yard

DEAD = f"{QUEUE}.dead"
ALL = Selection(everything=True)


async def _dead_jobs(yard: Yard, names: Sequence[str]) -> dict[str, JobHandle[str]]:
    """Jobs that have died in this order; those whose name begins with k of a KeyError."""
    jobs = {}
    for number, name in enumerate(names, 1):
        kind = "KeyError" if name.startswith("k") else "ValueError"
        jobs[name] = await tasks.broken.send(name, kind)
        await yard.letters(number)
    return jobs


async def _names_in_dead_queue(yard: Yard) -> list[str]:
    calls = [orjson.loads(message.body) for message in await yard.waiting(DEAD)]
    return [call["kwargs"].get("name") or call["args"][0] for call in calls]


async def test_what_is_selected_is_replayed_and_the_rest_stays_in_order(yard: Yard) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, ("v0", "k0", "v1", "k1", "v2", "k2"))
        replayer = Replayer(yard.client)
        keys = Selection(cause="KeyError")
        report = await replayer.replay(QUEUE, keys, dry_run=True)
        assert (report.seen, report.replayed, report.kept) == (6, 3, 3)
        report = await replayer.replay(QUEUE, keys, limit=2)
        assert (report.seen, report.replayed, report.kept) == (6, 2, 4)
        assert report.job_ids == [jobs["k0"].id, jobs["k1"].id]
        one = Selection(ids=frozenset({jobs["v1"].id}), reason="error")
        report = await replayer.replay(QUEUE, one)
        assert (report.seen, report.replayed, report.kept, report.failed) == (4, 1, 3, [])
        for status in await yard.ended(jobs["k0"], jobs["k1"], jobs["v1"]):
            assert (status.state, status.replays, status.attempt) == (State.SUCCESS, 1, 1)
        nothing = await replayer.replay(QUEUE, Selection(task="no.such.task"))
        assert (nothing.seen, nothing.replayed, nothing.kept) == (3, 0, 3)
        assert await replayer.index.count(QUEUE) == 3
        assert await _names_in_dead_queue(yard) == ["v0", "v2", "k2"]
        report = await replayer.replay(QUEUE, ALL)
        assert (report.seen, report.replayed, report.kept) == (3, 3, 0)
        await yard.ended(*jobs.values())
        assert await replayer.index.count(QUEUE) == 0
        empty = await replayer.replay(QUEUE, ALL)
        assert empty.seen == 0
        with pytest.raises(QueueNotFound):
            await replayer.replay("no.such.queue", ALL)
    for name in jobs:
        assert yard.events(name) == [f"start {name}", f"start {name}", f"end {name}"]
    assert await yard.waiting(DEAD) == []


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["before the record", "before the acknowledgement"])
async def test_a_pass_that_was_killed_is_repeated_without_loss_or_second_run(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, ("a", "b"))
    client = yard.client
    replayer = Replayer(client)
    apply = client.store.apply

    async def killed(*_: Any) -> None:
        raise _Killed

    async def apply_until_replays(moves: Sequence[Transition]) -> list[Reply]:
        if moves and moves[0].script == "replay":
            raise _Killed
        return await apply(moves)

    with monkeypatch.context() as patch:
        if moment == "before the record":
            patch.setattr(client.store, "apply", apply_until_replays)
        else:
            patch.setattr(DeadLetterIndex, "remove", killed)
        with pytest.raises(_Killed):
            await replayer.replay(QUEUE, ALL)
    expected = State.FAILURE if moment == "before the record" else State.PENDING
    assert {(await yard.status(job)).state for job in jobs.values()} == {expected}
    assert len(await yard.waiting(DEAD)) == 2
    report = await replayer.replay(QUEUE, ALL)
    assert report.seen == 2
    # What the record knows to be replayed is only acknowledged.
    assert (report.replayed, report.already) == ((2, 0) if expected is State.FAILURE else (0, 2))
    # One slot: a second copy that met its job running would be parked, and come back after the marker.
    async with yard.worker("-c", "1") as worker:
        for status in await yard.ended(*jobs.values()):
            assert (status.state, status.replays, status.losses) == (State.SUCCESS, 1, 0)
        # A copy that comes while its job runs waits in the ladder, behind any marker of ours.
        copies = 2 if expected is State.FAILURE else 0
        if copies:
            await worker.says("acknowledged without running", times=copies)
        worker.kill(15)
        assert await worker.ended() == 0
    for name in jobs:
        assert yard.events(name) == [f"start {name}", f"start {name}", f"end {name}"]
    assert await yard.waiting(QUEUE) == []
    assert await yard.waiting(DEAD) == []


async def test_a_pass_that_was_killed_after_its_jobs_ran_publishes_nothing(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, ("a", "b"))
        replayer = Replayer(yard.client)

        async def killed(*_: Any) -> None:
            raise _Killed

        with monkeypatch.context() as patch:
            patch.setattr(DeadLetterIndex, "remove", killed)
            with pytest.raises(_Killed):
                await replayer.replay(QUEUE, ALL)
        await yard.ended(*jobs.values())
        report = await replayer.replay(QUEUE, ALL)
        assert (report.seen, report.replayed, report.already) == (2, 0, 2)
        assert await yard.waiting(DEAD) == []
    assert yard.events("a") == ["start a", "start a", "end a"]


async def test_a_job_can_die_and_be_replayed_many_times(yard: Yard) -> None:
    async with yard.worker():
        job = await tasks.die_once.send("a")
        for count in range(3):
            [letter] = await yard.letters(1)
            assert letter.generation == count
            report = await Replayer(yard.client).replay(QUEUE, ALL)
            assert report.replayed == 1
            await yard.noted("start a", count + 2)
        [letter] = await yard.letters(1)
        [status] = await yard.ended(job)
    assert (status.state, status.replays) == (State.FAILURE, 3)
    assert len(await yard.waiting(DEAD)) == 1
