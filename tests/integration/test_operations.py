"""Operations on dead letters, on real nodes: carried on when whoever carries one is killed, cancelled in
the middle, at a rate, up to a limit; what they leave on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.support import Running
from warrener import ConfigurationError, InvalidArguments, JobHandle, QueueNotFound, State
from warrener.asking import ask, forecast
from warrener.audit import AuditTrail
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex
from warrener.letter_lines import place_of
from warrener.messages import Message
from warrener.operating import OperationRunner
from warrener.operations import Operation, Operations, Wanted
from warrener.outgoing import Outgoing
from warrener.selecting import ALL, Selection
from warrener.taking import locked
from warrener_workers.nodes.ports import free_ports

from . import yard as tasks
from .conftest import APP, QUEUE, Yard, until_true

DEAD = f"{QUEUE}.dead"
REPLAY = Wanted("replay", QUEUE, "mx", ALL)
DISCARD = Wanted("discard", QUEUE, "mx", ALL, reason="spam")


async def _dead_jobs(yard: Yard, count: int, prefix: str = "v") -> dict[str, JobHandle[str]]:
    """Jobs that have died; those with the prefix k of a KeyError."""
    kind = "KeyError" if prefix == "k" else "ValueError"
    names = [f"{prefix}{number}" for number in range(count)]
    jobs = {name: await tasks.broken.send(name, kind) for name in names}
    await yard.ended(*jobs.values())
    index = _index(yard)
    ids = frozenset(job.id for job in jobs.values())

    async def listed() -> bool:
        return await index.count(QUEUE, Selection(ids=ids)) == count

    await until_true(listed, f"{count} letters are listed")
    return jobs


def _index(yard: Yard) -> DeadLetterIndex:
    return DeadLetterIndex(yard.app.settings, yard.client.store)


def _operations(yard: Yard) -> Operations:
    return Operations(yard.app.settings, yard.client.store)


async def _as_far_as(yard: Yard, operation_id: str, done: int) -> Operation:
    """The operation, once so many letters are done."""
    operations = _operations(yard)

    async def far_enough() -> bool:
        return (await operations.find(operation_id)).done >= done

    await until_true(far_enough, f"{done} letters are done")
    return await operations.find(operation_id)


async def _end_of(yard: Yard, operation_id: str) -> Operation:
    """The operation, once it has ended."""
    operations = _operations(yard)

    async def ended() -> bool:
        return (await operations.find(operation_id)).has_ended

    await until_true(ended, "the operation has ended")
    return await operations.find(operation_id)


async def _done(yard: Yard, wanted: Wanted) -> Operation:
    """An operation that was asked for and carried out, in this process."""
    operation_id = await ask(yard.client, wanted)
    async with OperationRunner(lambda: yard.client).working():
        return await _end_of(yard, operation_id)


def _ran_once_more(yard: Yard, names: Sequence[str]) -> None:
    for name in names:
        assert yard.events(name) == [f"start {name}", f"start {name}", f"end {name}"]


async def _ids_in_dead_queue(yard: Yard) -> set[str]:
    found = [message.correlation_id or "" for message in await yard.waiting(DEAD)]
    assert len(found) == len(set(found)), "a letter is there twice"
    return set(found)


# Whoever carries it is killed -------------------------------------------------------------------------


@asynccontextmanager
async def _host(yard: Yard, kind: str) -> AsyncIterator[Running]:
    """A process that carries operations out, once it can."""
    if kind == "beat":
        async with yard.running("beat", "--app", APP) as host:
            await host.says("leads")
            yield host
    else:
        port = str(free_ports(1)[0])
        async with yard.running("api", "--app", APP, "--port", port) as host:
            await host.says("startup complete")
            yield host


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "first, second, limit", [("api", "beat", None), ("beat", "api", 150)], ids=["api", "beat"]
)
async def test_one_that_is_killed_is_carried_on_by_another(
    yard: Yard, first: str, second: str, limit: int | None
) -> None:
    count = 250
    expected = limit or count
    async with yard.worker("-c", "50"):
        jobs = await _dead_jobs(yard, count)
        async with _host(yard, first) as killed:
            operation_id = await ask(yard.client, replace(REPLAY, rate=50.0, limit=limit))
            seen = await _as_far_as(yard, operation_id, 20)
            killed.kill()
            await killed.ended()
        left = await _operations(yard).find(operation_id)
        # Still in the middle: otherwise nothing was shown.
        assert seen.done <= left.done < expected
        async with _host(yard, second):
            ended = await _end_of(yard, operation_id)
        assert (ended.state, ended.done, ended.failed) == ("done", expected, 0)
        stay = await _ids_in_dead_queue(yard)
        assert len(stay) == count - expected
        replayed = {name: job for name, job in jobs.items() if job.id not in stay}
        for status in await yard.ended(*replayed.values()):
            assert (status.state, status.replays) == (State.SUCCESS, 1)
    _ran_once_more(yard, list(replayed))
    assert {(await yard.status(job_id)).state for job_id in stay} <= {State.FAILURE}
    assert await _index(yard).count(QUEUE) == len(stay)
    assert await yard.waiting(QUEUE) == []


async def test_one_cancelled_in_the_middle_leaves_the_rest(yard: Yard) -> None:
    async with yard.worker("-c", "50"):
        jobs = await _dead_jobs(yard, 120)
        operation_id = await ask(yard.client, replace(REPLAY, rate=30.0))
        async with OperationRunner(lambda: yard.client).working():
            await _as_far_as(yard, operation_id, 10)
            assert await _operations(yard).cancel(operation_id, 0.0) == "asked"
            ended = await _end_of(yard, operation_id)
        assert ended.state == "cancelled"
        assert 10 <= ended.done < 120
        stay = await _ids_in_dead_queue(yard)
        assert len(stay) == 120 - ended.done == await _index(yard).count(QUEUE)
        assert {(await yard.status(job_id)).state for job_id in stay} == {State.FAILURE}
        rest = await _done(yard, REPLAY)
        assert (rest.state, rest.done, rest.already) == ("done", len(stay), 0)
        await yard.ended(*jobs.values())
    _ran_once_more(yard, list(jobs))


async def test_one_that_nobody_carries_is_cancelled_at_once(yard: Yard) -> None:
    async with yard.worker():
        await _dead_jobs(yard, 1)
    operation_id = await ask(yard.client, REPLAY)
    assert await _operations(yard).cancel(operation_id, 5.0) == "cancelled"
    assert await _operations(yard).cancel(operation_id, 6.0) == "ended"
    found = await _operations(yard).find(operation_id)
    assert (found.state, found.finished, found.done) == ("cancelled", 5.0, 0)


async def test_one_waits_while_another_pass_goes_on(yard: Yard) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, 1)
        operation_id = await ask(yard.client, REPLAY)
        async with OperationRunner(lambda: yard.client).working():
            async with locked(yard.client.publisher, yard.app.settings, DEAD):

                async def waits() -> bool:
                    found = await _operations(yard).find(operation_id)
                    return found.state == "waiting" and "wait until another replay" in found.note

                await until_true(waits, "it says what it waits for")
            ended = await _end_of(yard, operation_id)
        assert (ended.state, ended.done, ended.note) == ("done", 1, "")
        await yard.ended(*jobs.values())


# How fast, and how many -------------------------------------------------------------------------------


class _Clock:
    """A clock that a test moves. It counts how often it is read."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.read = 0

    def __call__(self) -> float:
        self.read += 1
        return self.now


async def _settled(yard: Yard, operation_id: str, clock: _Clock) -> Operation:
    """The operation, once what it may do at this moment is done, or it has ended."""
    # Read for what is allowed, then, that being done, for what is allowed after it, and how long to wait.
    read, found = clock.read, await _operations(yard).find(operation_id)

    async def enough() -> bool:
        nonlocal found
        found = await _operations(yard).find(operation_id)
        return found.has_ended or clock.read >= read + 5

    await until_true(enough, "the clock is read, or the operation has ended")
    return found


@pytest.mark.parametrize("rate, steps", [(20.0, 10), (1.0, 1)])
async def test_no_second_has_more_letters_than_the_rate(
    yard: Yard, rate: float, steps: int
) -> None:
    count = round(3 * rate)
    async with yard.worker("-c", "50"):
        jobs = await _dead_jobs(yard, count)
        clock, done = _Clock(), [0]
        operation_id = await ask(yard.client, replace(REPLAY, rate=rate))
        async with OperationRunner(lambda: yard.client, steady=clock).working():
            while not (found := await _settled(yard, operation_id, clock)).has_ended:
                done.append(found.done)
                clock.now += 1 / steps
        assert (found.state, found.done) == ("done", count)
        seconds = [after - before for before, after in zip(done, done[steps:], strict=False)]
        assert max(seconds) <= rate
        assert len(done) <= 5 * steps  # and it is not much slower either
        await yard.ended(*jobs.values())
    _ran_once_more(yard, list(jobs))


async def test_a_limit_takes_the_first_of_the_queue(yard: Yard) -> None:
    async with yard.worker():
        first = await _dead_jobs(yard, 3, "a")
        await _dead_jobs(yard, 3, "b")
        ended = await _done(yard, replace(REPLAY, limit=3))
        # Those behind were not even looked at.
        assert (ended.done, ended.seen, ended.kept) == (3, 3, 0)
        await yard.ended(*first.values())
        _ran_once_more(yard, list(first))
        some = await _done(yard, replace(REPLAY, limit=2))
        assert (some.done, await _index(yard).count(QUEUE)) == (2, 1)


async def test_to_another_queue(yard: Yard) -> None:
    async with yard.worker(queues=(QUEUE, "patient")):
        jobs = await _dead_jobs(yard, 3)
        ended = await _done(yard, replace(REPLAY, to_queue="patient"))
        assert ended.done == 3
        for status in await yard.ended(*jobs.values()):
            assert (status.state, status.queue) == (State.SUCCESS, "patient")
        with pytest.raises(QueueNotFound, match="no-such"):
            await ask(yard.client, replace(REPLAY, to_queue="no-such"))


async def test_a_forecast_is_what_then_happens(yard: Yard) -> None:
    async with yard.worker():
        await _dead_jobs(yard, 4, "v")
        await _dead_jobs(yard, 3, "k")
        count = 7
        for wanted in (
            replace(REPLAY, selection=Selection(cause="KeyError"), limit=2),
            replace(REPLAY, selection=Selection(text="v1")),
            replace(DISCARD, selection=Selection(task="tests.integration.yard.broken"), limit=1),
            replace(REPLAY, selection=Selection(task="no.such.task")),
            DISCARD,
        ):
            found = await forecast(yard.client, QUEUE, wanted.selection, wanted.limit)
            assert sum(group.count for group in found.groups) == found.matched
            ended = await _done(yard, wanted)
            assert (ended.state, ended.done, ended.failed) == ("done", found.would, 0)
            assert ended.wanted.total == found.matched
            count = found.count.listed - ended.done
            assert (await _index(yard).count(QUEUE), len(await yard.waiting(DEAD))) == (
                count,
                count,
            )
        assert count == 0


# Other arguments --------------------------------------------------------------------------------------


async def test_other_arguments_are_on_record_with_the_original_and_who_changed_them(
    yard: Yard,
) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, 1)
        before = {"args": [], "kwargs": {"name": "v0", "kind": "ValueError"}}
        ended = await _done(yard, replace(REPLAY, edit={"name": "better"}))
        assert (ended.state, ended.done, ended.faults) == ("done", 1, [])
        [status] = await yard.ended(*jobs.values())
        assert (status.state, status.result) == (State.SUCCESS, "better")
        [edit] = status.edits
        assert (edit["operation"], edit["by"]) == (ended.id, "mx")
        assert orjson.loads(edit["original"]) == before
        assert edit["at"] == ended.created
    assert yard.events("better") == ["start better", "end better"]


async def test_arguments_that_do_not_fit_are_refused_before_anything_begins(yard: Yard) -> None:
    async with yard.worker():
        await _dead_jobs(yard, 1)
    for edit in ({"name": 5}, {"nmae": "typo"}, {"kind": None}):
        with pytest.raises(InvalidArguments):
            await ask(yard.client, replace(REPLAY, edit=edit))
    assert await _operations(yard).newest() == []
    assert len(await yard.waiting(DEAD)) == 1


async def test_letters_that_the_arguments_do_not_fit_stay_and_say_so(yard: Yard) -> None:
    async with yard.worker():
        other = await tasks.die_once.send("other")
        await yard.ended(other)
        await yard.letters(1)
        jobs = await _dead_jobs(yard, 2)
        ended = await _done(yard, replace(REPLAY, edit={"kind": "KeyError"}))
        assert (ended.state, ended.done, ended.kept, ended.failed) == ("done", 2, 1, 1)
        [fault] = ended.faults
        assert f"{other.id}~0" in fault
        assert "kind" in fault
        await yard.ended(*jobs.values())
    assert await _ids_in_dead_queue(yard) == {other.id}
    assert (await yard.status(other)).state is State.FAILURE


# Giving up, listing anew, and the trail ---------------------------------------------------------------


async def test_what_is_discarded_says_who_did_it_and_why(yard: Yard) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, 3)
    with pytest.raises(ConfigurationError, match="say why"):
        await ask(yard.client, replace(DISCARD, reason=""))
    ended = await _done(yard, replace(DISCARD, limit=2))
    assert (ended.state, ended.done) == ("done", 2)
    stay = await _ids_in_dead_queue(yard)
    for job in jobs.values():
        status = await yard.status(job)
        assert status.state is State.FAILURE
        if job.id in stay:
            assert status.discarded is None
        else:
            assert status.discarded is not None
            assert (status.discarded["by"], status.discarded["reason"]) == ("mx", "spam")
    assert await _index(yard).became(QUEUE) == {"discarded": 2}
    assert await _index(yard).count(QUEUE) == len(stay) == 1


async def _found(index: DeadLetterIndex, letter_id: str) -> DeadLetter:
    """A letter in full, with its time of death as the message has it: in milliseconds."""
    letter = await index.find(letter_id)
    assert letter is not None
    return replace(letter, died=round(letter.died, 3))


async def test_the_index_is_made_anew_from_the_queue(yard: Yard) -> None:
    async with yard.worker():
        await _dead_jobs(yard, 3)
    index, store = _index(yard), yard.client.store
    before = await index.search([QUEUE])
    whole = [await _found(index, line.id) for line in before.letters]
    keys: Any = await store.client.keys(f"*:dead:{{{QUEUE}}}:*")
    assert keys
    await store.client.delete(*keys)
    assert await index.count(QUEUE) == 0
    ended = await _done(yard, Wanted("reindex", QUEUE, "mx", ALL))
    assert (ended.state, ended.done) == ("done", 3)
    assert (await index.search([QUEUE])) == before
    assert [await _found(index, line.id) for line in before.letters] == whole
    # And what is listed and not in the queue is forgotten.
    await index.add([replace(whole[0], id="ghost~0")])
    # Nor does it matter who wrote it: once, an order had places alone.
    [key] = await store.client.keys(f"*:dead:{{{QUEUE}}}:order")
    await store.client.zadd(key, {place_of(whole[0].died, whole[0].id): 0})
    assert await index.count(QUEUE) == 5
    ended = await _done(yard, Wanted("reindex", QUEUE, "mx", ALL))
    assert ended.note == "1 listed before are gone"
    assert (await index.search([QUEUE])) == before
    assert len(await _ids_in_dead_queue(yard)) == 3


async def test_letters_beyond_the_retention_are_dropped_and_counted(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard.worker():
        old = await _dead_jobs(yard, 3, "a")
        [newest, *_] = (await _index(yard).search([QUEUE])).letters
        young = await _dead_jobs(yard, 2, "b")
    # One that does not say when it died may be of any age.
    undated = Message("undated", "yard.run", b"{}")
    assert await yard.client.publisher.publish_many([Outgoing(undated, QUEUE, dead=True)]) == [None]
    assert (await _done(yard, Wanted("reindex", QUEUE, "mx", ALL))).done == 6
    monkeypatch.setattr(yard.client, "clock", lambda: newest.died + 3600.001)
    more = {"dead_letter_retention": 3600.0}
    monkeypatch.setattr(yard.client, "settings", yard.client.settings.model_copy(update=more))

    async def dropped() -> bool:
        return await _index(yard).count(QUEUE) == 3

    async with OperationRunner(lambda: yard.client).working():
        await until_true(dropped, "the old ones are dropped")
        [one, *_] = await _operations(yard).newest()
        ended = await _end_of(yard, one.id)
    assert (ended.state, ended.done, ended.wanted.by) == ("done", 3, "retention")
    assert await _index(yard).became(QUEUE) == {"expired": 3}
    assert await _ids_in_dead_queue(yard) == {"undated", *(job.id for job in young.values())}
    for job in old.values():
        status = await yard.status(job)
        assert status.state is State.FAILURE
        assert status.discarded is not None
        assert status.discarded["reason"] == "older than 3600 s"
    [entry, *_] = await AuditTrail(yard.app.settings, yard.client.store).read()
    assert (entry.who, entry.what, len(entry.facts["ids"])) == ("retention", "discard", 3)


async def test_the_trail_says_who_did_what_to_which(yard: Yard) -> None:
    async with yard.worker():
        jobs = await _dead_jobs(yard, 2)
        letters = {f"{job.id}~0" for job in jobs.values()}
        ended = await _done(yard, replace(REPLAY, by="mx@desk"))
        await yard.ended(*jobs.values())
    done, asked = await AuditTrail(yard.app.settings, yard.client.store).read()
    assert (asked.who, asked.what, asked.facts["operation"]) == ("mx@desk", "ask replay", ended.id)
    assert asked.facts["selection"] == {"everything": True}
    assert (done.who, done.what, done.facts["operation"]) == ("mx@desk", "replay", ended.id)
    assert (done.facts["queue"], set(done.facts["ids"])) == (QUEUE, letters)
    assert asked.at <= done.at


async def test_the_trail_keeps_the_last_ten_thousand(yard: Yard) -> None:
    trail = AuditTrail(yard.app.settings, yard.client.store)
    for start in range(0, 10_499, 500):
        numbers = range(start, min(start + 500, 10_499))
        await asyncio.gather(*(trail.write("mx", "count", {"number": n}) for n in numbers))
    await trail.write("mx", "count", {"number": 10_499})
    kept = await trail.read(size=20_000)
    assert 10_000 <= len(kept) < 10_500
    assert kept[0].facts == {"number": 10_499}
    page = await trail.read(size=10, before=kept[9].id)
    assert page == kept[10:20]
