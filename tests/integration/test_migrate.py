"""`warrener topology migrate`: queues get other arguments, and nothing in them or on its way is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from warrener import ConfigurationError, QueueBusy, QueueNotFound, State, migrating, topology
from warrener.client import Client
from warrener.messages import Message, decode
from warrener.migrating import Migrator

from . import yard as tasks
from .conftest import QUEUE, Yard

OTHERS: dict[str, dict[str, Any]] = {
    "classic": {"x-queue-type": "classic", "x-dead-letter-exchange": "warrener.undelivered"},
    "limit": {"x-queue-type": "quorum", "x-delivery-limit": 20},
}
ASIDE = "warrener.moving.yard"


async def old(yard: Yard, arguments: dict[str, Any]) -> None:
    """The queue as it once was declared, with today's bindings."""
    settings = yard.app.settings
    async with yard.client.publisher.own_channel() as channel:
        await topology.declare(
            channel, [topology.shared(settings), topology.stage(settings, QUEUE)]
        )
        await channel.queue_delete(QUEUE)
        await channel.queue_declare(QUEUE, durable=True, arguments=arguments)
        for binding in topology.stage(settings, QUEUE).bindings:
            if binding.queue == QUEUE:
                await channel.queue_bind(QUEUE, binding.source, routing_key=binding.key)
    yard.app.settings = settings.model_copy(update={"declare": False})
    await yard.app.close()


@asynccontextmanager
async def migrator(yard: Yard) -> AsyncIterator[Migrator]:
    client = Client(yard.app.settings.model_copy(update={"declare": False}), ())
    try:
        yield Migrator(client)
    finally:
        await client.close()


async def held(yard: Yard, queue: str = QUEUE) -> list[str]:
    """The ids of the jobs in a queue."""
    found = [decode(one, body) for one, body in await _messages(yard, queue)]
    return [job.job_id for job in found if isinstance(job, Message)]


async def _messages(yard: Yard, queue: str) -> list[Any]:
    found: list[Any] = []
    async with yard.client.publisher.own_channel() as channel:
        while True:
            got = await channel.basic_get(queue)
            if got.message_count is None:
                return found
            found.append((got.header.properties, got.body))


@pytest.mark.parametrize("kind", sorted(OTHERS))
async def test_a_queue_gets_other_arguments_and_every_job_runs_once(yard: Yard, kind: str) -> None:
    await old(yard, OTHERS[kind])
    names = [f"job-{number}" for number in range(250)]
    jobs = [await tasks.run.options(id=name).send(name) for name in names]
    later = [
        await tasks.run.options(countdown=0.3 * number).send(f"later-{number}")
        for number in range(1, 21)
    ]
    async with yard.running("topology", "migrate", QUEUE) as run:
        assert await run.ended() == 0, run.log
        assert f"{QUEUE}: declared anew" in run.log
        assert f"{QUEUE}.dead: as wanted" in run.log
    async with yard.worker():  # which declares as wanted
        statuses = await yard.ended(*jobs, *later)
    assert {status.state for status in statuses} == {State.SUCCESS}
    assert {status.losses for status in statuses} == {0}
    for name in (*names, *(f"later-{number}" for number in range(1, 21))):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
    assert await yard.client.publisher.depth(ASIDE) is None
    async with migrator(yard) as it:
        assert not (await it.migrate(QUEUE)).changed


STEPS = ("_declare", "_rebind", "_unbind", "_empty", "_move", "_delete")


class _Killed(BaseException):
    """The end of a process."""


async def _dies_at(yard: Yard, step: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Migrate, and die before the step of this number; False if there was none."""
    steps = itertools.count()

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(*arguments: Any) -> Any:
            if next(steps) == step:
                raise _Killed
            return await method(*arguments)

        return wrapped

    with monkeypatch.context() as patch:
        for name in STEPS:
            patch.setattr(Migrator, name, dying(getattr(Migrator, name)))
        try:
            async with migrator(yard) as it:
                await it.migrate(QUEUE)
        except _Killed:
            return True
    return False


@pytest.mark.parametrize("kind", sorted(OTHERS))
async def test_broken_off_before_any_step_and_run_again_it_loses_nothing(
    yard: Yard, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "SETTLED", 0.0)
    died = True
    for step in itertools.count():
        await old(yard, OTHERS[kind])
        ids = {f"{step}-{number}" for number in range(5)}
        for job_id in ids:
            await tasks.run.options(id=job_id).send(job_id)
        died = await _dies_at(yard, step, monkeypatch)
        # What is sent while it lies half-way arrives as well.
        await _send_if_it_is_there(yard, f"{step}-between", ids)
        async with migrator(yard) as it:
            await it.migrate(QUEUE)
        assert set(await held(yard)) == ids
        if not died:
            assert step > 10
            return


async def _send_if_it_is_there(yard: Yard, job_id: str, accepted: set[str]) -> None:
    await tasks.run.options(id=job_id).send(job_id)
    accepted.add(job_id)


@pytest.mark.parametrize("seconds", [0.4, 1.5, 2.1])
async def test_killed_at_any_moment_and_run_again_it_loses_nothing(
    yard: Yard, seconds: float
) -> None:
    await old(yard, OTHERS["classic"])
    ids = {f"job-{number}" for number in range(300)}
    await asyncio.gather(*(tasks.run.options(id=one).send(one) for one in ids))
    later = [
        await tasks.run.options(countdown=1 + n / 4, id=f"later-{n}").send("x") for n in range(20)
    ]
    async with yard.running("topology", "migrate", QUEUE) as run:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run.process.wait(), seconds)
        run.kill()
        await run.ended()
    async with yard.running("topology", "migrate", QUEUE) as run:
        assert await run.ended() == 0, run.log
    assert yard.rabbit.manage("GET", f"/api/queues/{yard.vhost}/{QUEUE}")["type"] == "quorum"
    async with yard.worker():
        statuses = await yard.ended(*ids, *later)
    assert {status.state for status in statuses} == {State.SUCCESS}
    assert all(yard.events(one) == [f"start {one}", f"end {one}"] for one in ids)


async def test_it_is_refused_while_workers_serve_the_queue(yard: Yard) -> None:
    async with yard.worker("--name", "busy") as worker:
        async with migrator(yard) as it:
            with pytest.raises(
                ConfigurationError, match=r"cannot be migrated .*\(busy\): stop them"
            ):
                await it.migrate(QUEUE)
        # One that stops consumes no more, and still holds what it runs.
        await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        worker.kill(15)
        await worker.says("finishing ")
        async with migrator(yard) as it:
            with pytest.raises(ConfigurationError, match="cannot be migrated"):
                await it.migrate(QUEUE)
        yard.open("gate")
        assert await worker.ended() == 0


async def test_it_is_refused_while_anybody_consumes_the_queue(yard: Yard) -> None:
    await old(yard, OTHERS["limit"])
    async with await aio_pika.connect(yard.amqp_url) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE)

        async def nothing(_: object) -> None: ...

        await queue.consume(nothing)
        async with migrator(yard) as it:
            with pytest.raises(QueueBusy):
                await it.migrate(QUEUE)


async def test_a_queue_that_does_not_exist_is_named(yard: Yard) -> None:
    async with migrator(yard) as it:
        with pytest.raises(QueueNotFound):
            await it.migrate(QUEUE)
    async with yard.running("topology", "migrate") as run:
        assert await run.ended() == 2


async def test_a_whole_namespace_goes_from_classic_to_quorum_with_what_waits_in_the_ladder(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = yard.app.settings
    yard.app.settings = settings.model_copy(update={"queue_type": "classic"})
    await tasks.broken.send("dead")
    soon = [await tasks.run.options(countdown=6 + n / 10).send(f"soon-{n}") for n in range(40)]
    late = await tasks.run.options(countdown=40_000).send("late")
    async with yard.worker("-c", "1", WARRENER_QUEUE_TYPE="classic") as worker:
        await yard.letters(1)
        worker.kill(15)
        assert await worker.ended() == 0
    await yard.app.close()
    yard.app.settings = settings
    monkeypatch.setattr(migrating, "SETTLED", 0.0)
    names = topology.Names(settings.namespace)
    async with migrator(yard) as it:
        stages = [name for q in yard.app.queues for name in (names.dead_queue(q), q)]
        for name in (names.undelivered, *names.rungs, *stages):
            assert (await it.migrate(name)).changed
    queues = yard.rabbit.manage("GET", f"/api/queues/{yard.vhost}")
    types = {queue["name"]: queue["type"] for queue in queues if ".pass." not in queue["name"]}
    assert set(types.values()) == {"quorum"}, types
    assert [queue["name"] for queue in queues if "moving" in queue["name"]] == []
    async with yard.worker():
        for status in await yard.ended(*soon):
            assert status.state is State.SUCCESS
            assert status.due is None
        assert (await yard.status(late)).state is State.SCHEDULED
    depths = [await yard.client.publisher.depth(f"warrener.delay.{n:02}") for n in range(28)]
    assert sum(found.message_count or 0 for found in depths if found) == 1
    assert len(await yard.waiting(f"{QUEUE}.dead")) == 1
