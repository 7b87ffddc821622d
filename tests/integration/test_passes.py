"""Passes through a dead queue: one after another, beside each other, and killed in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from warrener import BrokerUnavailable, ConfigurationError, QueueBusy, State
from warrener.client import Client
from warrener.messages import Message
from warrener.outgoing import Outgoing
from warrener.queues import Queues
from warrener.replaying import Replayer, ReplayReport
from warrener.selecting import Selection
from warrener.taking import WINDOW, Pass, one_pass

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true

DEAD = f"{QUEUE}.dead"
ALL = Selection(everything=True)
NONE = Selection(task="no.such.task")
MANY = 2 * WINDOW + 50
LETTERS = [f"job-{number}" for number in range(MANY)]

both_types = pytest.mark.parametrize("queue_type", ["quorum", "classic"])


async def _full_dead_queue(yard: Yard, queue_type: str) -> None:
    """Letters as other clients may leave them, of jobs without a record."""
    yard.app.settings = yard.app.settings.model_copy(update={"queue_type": queue_type})
    await _bury(yard, *(Message(job_id, "yard.run", b"{}") for job_id in LETTERS))


async def _bury(yard: Yard, *messages: Message) -> None:
    outgoing = [Outgoing(message, QUEUE, dead=True) for message in messages]
    assert not any(await yard.client.publisher.publish_many(outgoing))


async def _ids_in(yard: Yard, queue: str) -> list[str]:
    return [message.correlation_id or "" for message in await yard.waiting(queue)]


@asynccontextmanager
async def _somebody_else(yard: Yard) -> AsyncIterator[Client]:
    """A client with connections of its own, as another process has."""
    client = Client(yard.app.settings, [QUEUE])
    yield client
    await client.close()


@both_types
async def test_passes_after_each_other_meet_every_letter_in_its_order(
    yard: Yard, queue_type: str
) -> None:
    await _full_dead_queue(yard, queue_type)
    async with _somebody_else(yard) as other:
        for client in (yard.client, other) * 3:
            report = await Replayer(client).replay(QUEUE, ALL, dry_run=True)
            assert (report.seen, report.replayed) == (MANY, MANY)
            report = await Replayer(client).replay(QUEUE, NONE)
            assert (report.seen, report.kept) == (MANY, MANY)
    assert await _ids_in(yard, DEAD) == LETTERS


@both_types
async def test_what_a_broken_off_pass_held_is_met_by_the_next(yard: Yard, queue_type: str) -> None:
    await _full_dead_queue(yard, queue_type)
    publisher, settings = yard.client.publisher, yard.app.settings
    for _ in range(10):
        async with one_pass(publisher, settings, DEAD, alone=True) as one:
            assert len(await anext(one.groups())) == WINDOW
        report = await Replayer(yard.client).replay(QUEUE, NONE)
        assert report.seen == MANY
    assert sorted(await _ids_in(yard, DEAD)) == sorted(LETTERS)


@both_types
async def test_a_second_pass_is_refused_while_the_first_one_lasts(
    yard: Yard, queue_type: str
) -> None:
    await _full_dead_queue(yard, queue_type)
    publisher, settings = yard.client.publisher, yard.app.settings
    async with _somebody_else(yard) as other:
        async with one_pass(publisher, settings, DEAD, alone=True) as one:
            await anext(one.groups())
            for client in (yard.client, other):
                with pytest.raises(QueueBusy, match=r"yard\.dead"):
                    await Replayer(client).replay(QUEUE, ALL)
        report = await Replayer(other).replay(QUEUE, ALL)
    assert (report.seen, report.replayed) == (MANY, MANY)


@both_types
async def test_passes_at_once_replay_every_letter_once(yard: Yard, queue_type: str) -> None:
    await _full_dead_queue(yard, queue_type)
    async with _somebody_else(yard) as other:
        replayers = [Replayer(client) for client in (yard.client, other) * 3]
        reports = await asyncio.gather(*map(_until_its_turn, replayers))
    assert sorted(report.replayed for report in reports) == [0] * 5 + [MANY]
    assert await _ids_in(yard, DEAD) == []
    assert await _ids_in(yard, QUEUE) == LETTERS


async def _until_its_turn(replayer: Replayer) -> ReplayReport:
    while True:
        try:
            return await replayer.replay(QUEUE, ALL)
        except QueueBusy:
            continue


async def test_a_pass_that_loses_its_connection_says_how_to_go_on(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _full_dead_queue(yard, "quorum")
    settle = Pass.settle

    async def cut(it: Pass, group: list[Any], keep: Any = ()) -> None:
        await settle(it, group, keep)
        await group[0].channel.connection.close()

    with monkeypatch.context() as patch:
        patch.setattr(Pass, "settle", cut)
        with pytest.raises(BrokerUnavailable, match="stays done: run it again for the rest"):
            await Replayer(yard.client).replay(QUEUE, ALL)
    report = await Replayer(yard.client).replay(QUEUE, ALL)
    assert report.replayed + report.already >= MANY - WINDOW
    assert await _ids_in(yard, DEAD) == []


async def test_a_user_who_may_not_use_the_lock_is_told_so(yard: Yard) -> None:
    await _full_dead_queue(yard, "quorum")
    yard.rabbit.manage("PUT", "/api/users/reader", {"password": "reader", "tags": ""})
    may = {"configure": "", "write": ".*", "read": ".*"}
    yard.rabbit.manage("PUT", f"/api/permissions/{yard.vhost}/reader", may)
    url = SecretStr(yard.amqp_url.replace("guest:guest@", "reader:reader@"))
    changes = {"amqp_url": url, "declare": False}
    yard.app.settings = yard.app.settings.model_copy(update=changes)
    async with _somebody_else(yard) as reader:
        with pytest.raises(ConfigurationError, match=r"warrener\.pass\.yard\.dead.* configure and"):
            await Replayer(reader).replay(QUEUE, ALL)


async def test_a_letter_of_a_job_that_has_not_ended_is_kept(yard: Yard) -> None:
    await yard.client.publisher.ready()
    scheduled = await tasks.run.options(countdown=3600).send("scheduled")
    pending = await tasks.run.send("pending")
    await _bury(yard, *(Message(job.id, "yard.run", b"{}") for job in (pending, scheduled)))
    replayer = Replayer(yard.client)
    report = await replayer.replay(QUEUE, ALL)
    assert (report.seen, report.replayed, report.already, len(report.failed)) == (2, 0, 0, 2)
    assert f"Job {pending.id} is PENDING in the generation" in report.failed[0]
    assert await _ids_in(yard, DEAD) == [pending.id, scheduled.id]
    # Once it has ended well, the letter is of no use to anybody.
    async with yard.worker():
        await yard.ended(pending)
    report = await replayer.replay(QUEUE, ALL)
    assert (report.seen, report.already, len(report.failed)) == (2, 1, 1)
    assert await _ids_in(yard, DEAD) == [scheduled.id]
    assert yard.events("pending") == ["start pending", "end pending"]


async def test_a_letter_of_a_revoked_job_or_an_earlier_generation_is_dropped(yard: Yard) -> None:
    revoked = await tasks.run.send("revoked")
    assert (await Queues(yard.client).purge(QUEUE)).revoked == 1
    again = Message("again", "yard.run", b"{}")
    await _bury(yard, again)
    await Replayer(yard.client).replay(QUEUE, ALL)
    assert (await yard.status("again")).generation == 1
    await _bury(yard, again, Message(revoked.id, "yard.run", b"{}"))
    report = await Replayer(yard.client).replay(QUEUE, ALL)
    assert (report.seen, report.replayed, report.already, report.failed) == (2, 0, 2, [])
    assert await _ids_in(yard, DEAD) == []
    assert await _ids_in(yard, QUEUE) == ["again"]


async def test_a_replay_that_is_killed_and_run_again_loses_and_doubles_nothing(yard: Yard) -> None:
    many = 8 * WINDOW
    async with yard.worker("-c", "20"):
        jobs = await asyncio.gather(*(tasks.broken.send(f"job-{n}") for n in range(many)))
        replayer = Replayer(yard.client)
        await until_true(lambda: _listed(replayer, many), f"{many} dead letters")
    for _ in range(2):
        before = await _ready(yard)
        async with yard.running("dead", "replay", QUEUE, "--all") as process:
            await until_true(partial(_more, yard, before), "a replayed job")
            process.kill()
            assert await process.ended() == -9, process.log
    report = await _until_its_turn(replayer)
    print(f"after two kills: {report.replayed} replayed, {report.already} had been before")
    assert report.failed == []
    assert report.replayed + report.already >= WINDOW, "it was killed too late to show anything"
    assert await _ids_in(yard, DEAD) == []
    async with yard.worker("-c", "20"):
        statuses = await yard.ended(*jobs)
    assert {(one.state, one.replays, one.losses) for one in statuses} == {(State.SUCCESS, 1, 0)}
    events = yard.events()
    for n in range(many):
        assert events.count(f"start job-{n}") == 2, "once before it died, and once replayed"
        assert events.count(f"end job-{n}") == 1


async def _listed(replayer: Replayer, count: int) -> bool:
    return await replayer.index.count(QUEUE) == count


async def _ready(yard: Yard) -> int:
    return (await Queues(yard.client).state(QUEUE)).ready


async def _more(yard: Yard, before: int) -> bool:
    return await _ready(yard) > before
