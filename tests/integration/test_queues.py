"""Queues: purging, the classic type, declaring, and what does not fit."""

from __future__ import annotations

from typing import Any

import aio_pika
import pytest

from warrener import State, TopologyMismatch, topology
from warrener.connection import Nodes, open_channel
from warrener.queues import Queues
from warrener.replaying import Replayer
from warrener.selecting import Selection
from warrener.settings import Settings

from . import yard as tasks
from .conftest import APP, QUEUE, Yard


async def test_a_purge_revokes_what_waits_and_spares_what_runs(yard: Yard) -> None:
    async with yard.worker("-c", "1"):
        running_job = await tasks.wait.send("running", "gate")
        await yard.noted("start running")
        waiting = [await tasks.run.send(f"waiting-{n}") for n in range(3)]
        await yard.publish(b"no job at all")
        report = await Queues(yard.client).purge(QUEUE)
        assert (report.revoked, report.dropped, report.kept) == (3, 1, 0)
        for status in await yard.ended(*waiting):
            assert (status.state, status.reason) == (State.REVOKED, "purged")
        yard.open("gate")
        [status, _] = await yard.ended(running_job, await tasks.run.send("later"))
        assert status.state is State.SUCCESS
    assert not [event for event in yard.events() if "waiting" in event]


async def test_classic_queues_carry_jobs_retries_dead_letters_and_replays(yard: Yard) -> None:
    settings = yard.app.settings.model_copy(update={"queue_type": "classic"})
    yard.app.settings = settings
    async with yard.worker(WARRENER_QUEUE_TYPE="classic"):
        kinds = yard.rabbit.manage("GET", f"/api/queues/{yard.vhost}?columns=name,type")
        assert {kind["type"] for kind in kinds} == {"classic"}
        retried = await tasks.fails.send("retried", 2)
        dead = await tasks.broken.send("dead")
        [status] = await yard.ended(retried)
        assert (status.state, status.attempt) == (State.SUCCESS, 3)
        [letter] = await yard.letters(1)
        assert letter.job_id == dead.id
        kept = await Replayer(yard.client).replay(QUEUE, Selection(cause="KeyError"))
        assert (kept.seen, kept.replayed) == (1, 0)
        report = await Replayer(yard.client).replay(QUEUE, Selection(cause="ValueError"))
        assert report.replayed == 1
        [status] = await yard.ended(dead)
        assert (status.state, status.replays) == (State.SUCCESS, 1)


async def test_queues_whose_names_end_alike_get_their_own_delayed_jobs_only(yard: Yard) -> None:
    async with yard.worker(queues=("discovery", "x.discovery", "y.x.discovery")):
        jobs = {}
        for queue in ("discovery", "x.discovery", "y.x.discovery"):
            for delay in (0.1, 0.4, 0.7):
                options = tasks.fails.options(queue=queue, countdown=delay)
                jobs[f"{queue}-{delay}"] = await options.send(f"{queue}-{delay}", 1)
        for name, status in zip(jobs, await yard.ended(*jobs.values()), strict=True):
            assert (status.state, status.attempt) == (State.SUCCESS, 2)
            assert status.queue == name.rsplit("-", 1)[0]
            assert yard.events(name) == [f"start {name}", f"start {name}", f"end {name}"]


async def test_declaring_again_changes_nothing(yard: Yard) -> None:
    settings = yard.app.settings
    connection = await Nodes(settings, "declaring").connect()
    async with connection:
        channel = await open_channel(connection)
        wanted = [topology.shared(settings), topology.stage(settings, QUEUE)]
        await topology.declare(channel, wanted)
        before = _bindings(yard)
        await topology.declare(channel, wanted)
        assert _bindings(yard) == before


def _bindings(yard: Yard) -> list[Any]:
    found = yard.rabbit.manage("GET", f"/api/bindings/{yard.vhost}")
    return sorted((one["source"], one["destination"], one["routing_key"]) for one in found)


async def test_a_queue_with_other_arguments_is_named_with_both_values(yard: Yard) -> None:
    [_, wanted] = topology.stage(yard.app.settings, QUEUE).queues
    async with await aio_pika.connect(yard.amqp_url) as connection:
        channel = await connection.channel()
        arguments = {**wanted.arguments, "x-delivery-limit": 20}
        await channel.declare_queue(QUEUE, durable=True, arguments=arguments)
    async with yard.running("worker", QUEUE, "--app", APP) as worker:
        assert await worker.ended() == 2
    last = next(line for line in worker.lines[::-1] if line.startswith("warrener: "))
    assert f"queue {QUEUE} exists on the broker with x-delivery-limit = '20'" in last
    assert "1000000" in last
    assert "Traceback" not in worker.log
    with pytest.raises(TopologyMismatch):
        await yard.client.publisher.ready()


async def test_a_worker_that_must_not_declare_works_on_what_others_declared(yard: Yard) -> None:
    settings = yard.app.settings
    await _declare(settings, "declared.ahead")
    name = "declared.ahead"
    async with yard.worker(queues=(name,), WARRENER_DECLARE="false"):
        queues = {q["name"] for q in yard.rabbit.manage("GET", f"/api/queues/{yard.vhost}")}
        assert QUEUE not in queues
        yard.app.settings = settings.model_copy(update={"declare": False})
        retried = await tasks.fails.options(queue=name).send("a", 1)
        dead = await tasks.broken.options(queue=name, countdown=0.2).send("b")
        retried_status, dead_status = await yard.ended(retried, dead)
        assert (retried_status.state, retried_status.attempt) == (State.SUCCESS, 2)
        assert dead_status.state is State.FAILURE
        await yard.letters(1, name)
        queues = {q["name"] for q in yard.rabbit.manage("GET", f"/api/queues/{yard.vhost}")}
        assert QUEUE not in queues


async def _declare(settings: Settings, queue: str) -> None:
    connection = await Nodes(settings, "declaring").connect()
    async with connection:
        channel = await open_channel(connection)
        stage = topology.stage(settings, queue)
        await topology.declare(channel, [topology.shared(settings), stage])
