"""RabbitMQ or Redis going away and coming back: workers hold on, nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from tests.support import PATIENCE, Running
from warrener import BrokerUnavailable, State, StoreUnavailable
from warrener.presence import PresenceBoard
from warrener_workers.nodes import InstalledRabbit, private_rabbitmq, private_redis

from . import yard as tasks
from .conftest import QUEUE, Yard, proxied, until, until_true


def _connections(yard: Yard) -> list[str]:
    """All connections of the yard, by the broker's name for them."""
    found = yard.rabbit.manage("GET", f"/api/vhosts/{yard.vhost}/connections")
    return [connection["name"] for connection in found]


async def _until_listed(yard: Yard, worker: Running) -> None:
    """The management API lists a connection some seconds after it was opened."""

    def listed() -> bool:
        found = yard.rabbit.manage("GET", f"/api/vhosts/{yard.vhost}/connections")
        names = [one.get("client_properties", {}).get("connection_name", "") for one in found]
        return any(name.startswith("warrener worker") for name in names)

    await until(listed, "a listed connection\n" + worker.log)


async def test_a_job_that_outlives_its_connection_runs_once(yard: Yard) -> None:
    async with yard.worker() as worker:
        jobs = [await tasks.wait.send("a", "gate"), await tasks.wait_plain.send("b", "gate")]
        await yard.noted("start a")
        await yard.noted("start b")
        await _until_listed(yard, worker)
        for name in _connections(yard):
            yard.rabbit.manage("DELETE", f"/api/connections/{quote(name, safe='')}")
        await worker.says("consuming again")
        await worker.says("it runs in this worker", times=2)
        yard.open("gate")
        for status in await yard.ended(*jobs):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        later = await tasks.run.send("later")
        await yard.ended(later)
        await worker.says("acknowledged without running", times=2)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    for name in ("a", "b", "later"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
    assert await yard.waiting(QUEUE) == []


async def test_a_job_that_ends_while_its_connection_is_lost_is_not_run_again(yard: Yard) -> None:
    async with yard.worker() as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        await _until_listed(yard, worker)
        yard.open("gate")
        for name in _connections(yard):
            yard.rabbit.manage("DELETE", f"/api/connections/{quote(name, safe='')}")
        [status] = await yard.ended(job)
        await worker.says("consuming again")
        await yard.ended(await tasks.run.send("later"))
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]
    assert await yard.waiting(QUEUE) == []


async def test_a_broker_that_is_killed_and_comes_back_loses_no_accepted_job(
    tmp_path: Path, redis_url: str, installed_rabbit: InstalledRabbit
) -> None:
    with private_rabbitmq(tmp_path / "rabbitmq", installed=installed_rabbit) as node:
        yard = Yard(node, node.amqp_url, redis_url, tmp_path)
        async with yard.app, yard.worker("-c", "2") as worker:
            # A quorum queue that was declared a moment before the kill may never come back (3.10, 4.0).
            await yard.ended(await tasks.run.options(countdown=1).send("first"))
            running = await tasks.wait.send("running", "gate")
            await yard.noted("start running")
            delayed = await tasks.run.options(countdown=1).send("delayed")
            waiting = [await tasks.wait.send(f"waiting-{n}", "gate") for n in range(5)]
            node.kill()
            await worker.says("is lost; connecting again")
            await worker.says("not consuming yet")
            with pytest.raises(BrokerUnavailable):
                await tasks.run.send("too early")
            yard.open("gate")
            await yard.noted("end running")
            node.start()
            await worker.says("consuming again")
            for status in await yard.ended(running, delayed, *waiting):
                assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
            await yard.ended(await tasks.run.send("later"))
            worker.kill(signal.SIGTERM)
            assert await worker.ended() == 0
            assert await yard.waiting(QUEUE) == []
            async with yard.worker() as other:
                node.kill()
                await other.says("is lost; connecting again")
                # Nobody to say goodbye to is no reason to stay.
                other.kill(signal.SIGTERM)
                assert await other.ended() == 0
        names = ["running", "delayed", "later", *(f"waiting-{n}" for n in range(5))]
        for name in names:
            assert yard.events(name) == [f"start {name}", f"end {name}"]


async def test_results_are_held_while_redis_is_away(
    yard: Yard, amqp_url: str, tmp_path: Path
) -> None:
    with private_redis(tmp_path / "redis") as node:
        yard = Yard(yard.rabbit, amqp_url, node.url, tmp_path)
        async with yard.worker("-c", "2") as worker:
            job = await tasks.wait.send("a", "gate")
            await yard.noted("start a")
            node.kill()
            yard.open("gate")
            await yard.noted("end a")
            await worker.says("held for now")
            # Accepted, though nobody can record it yet.
            meanwhile = await tasks.run.send("meanwhile")
            node.start()
            for status in await yard.ended(job, meanwhile):
                assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
            worker.kill(signal.SIGTERM)
            assert await worker.ended() == 0
        await yard.app.close()
    for name in ("a", "meanwhile"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
    assert await yard.waiting(QUEUE) == []


FULL = {"maxmemory": "1mb"}
READ_ONLY = {"min-replicas-to-write": "1"}


@pytest.mark.parametrize("refusal", [FULL, READ_ONLY], ids=["full", "read only"])
async def test_a_redis_that_refuses_to_write_is_waited_for(
    yard: Yard, amqp_url: str, tmp_path: Path, refusal: dict[str, str]
) -> None:
    with private_redis(tmp_path / "redis") as node:
        yard = Yard(yard.rabbit, amqp_url, node.url, tmp_path)
        redis = yard.client.store.client
        async with yard.worker("-c", "2") as worker:
            job = await tasks.wait.send("a", "gate")
            await yard.noted("start a")
            for name, value in refusal.items():
                await redis.config_set(name, value)
            yard.open("gate")
            await worker.says("held for now")
            await worker.says("presence is not renewed", times=2)
            meanwhile = await tasks.run.send("meanwhile")
            with pytest.raises(StoreUnavailable):
                await tasks.run.options(idempotency_key="k").send("keyed")
            for name in refusal:
                await redis.config_set(name, "0")
            for status in await yard.ended(job, meanwhile):
                assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
            board = PresenceBoard(yard.app.settings, yard.client.store)

            async def lives() -> bool:
                return len(await board.living()) == 1

            await until_true(lives, "its presence, renewed on its next beat")
            worker.kill(signal.SIGTERM)
            assert await worker.ended() == 0
        await yard.app.close()
    for name in ("a", "meanwhile"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]


@pytest.mark.parametrize("failures", [0, 1, 9])
async def test_a_redis_that_comes_back_empty_costs_no_result(
    yard: Yard, amqp_url: str, tmp_path: Path, failures: int
) -> None:
    with private_redis(tmp_path / "redis") as node:
        yard = Yard(yard.rabbit, amqp_url, node.url, tmp_path)
        async with yard.worker("-c", "2") as worker:
            job = await tasks.gated.options(id="a").send("a", "gate", failures)
            await yard.noted("start a")
            waits = await tasks.run.options(countdown=2).send("waits")
            await yard.client.store.client.flushall()
            assert await yard.client.status(job.id) is None
            yard.open("gate")
            [status] = await yard.ended(job)
            assert status.recovered
            if failures == 9:
                assert (status.state, status.attempt) == (State.FAILURE, 2)
                [letter] = await yard.letters(1)
                assert letter.job_id == "a"
            else:
                assert (status.state, status.attempt) == (State.SUCCESS, 1 + failures)
            [status] = await yard.ended(waits)
            assert (status.state, status.recovered) == (State.SUCCESS, True)
            worker.kill(signal.SIGTERM)
            assert await worker.ended() == 0
        await yard.app.close()
    assert yard.events("a").count("start a") == 1 + bool(failures)
    assert await yard.waiting(QUEUE) == []


async def test_a_worker_can_be_stopped_while_redis_is_away(
    yard: Yard, amqp_url: str, tmp_path: Path
) -> None:
    with private_redis(tmp_path / "redis") as node:
        yard = Yard(yard.rabbit, amqp_url, node.url, tmp_path)
        async with yard.worker(
            "-c", "2", WARRENER_GRACE="1", WARRENER_CONNECT_TIMEOUT="1"
        ) as worker:
            await tasks.wait.send("a", "gate")
            await yard.noted("start a")
            node.kill()
            await tasks.run.send("b")
            await worker.says("held for now")
            worker.kill(signal.SIGTERM)
            assert await worker.ended() == 0
        await yard.ready(2)
        await yard.app.close()


async def test_a_redis_that_hangs_holds_up_a_stop_no_longer_than_said(
    yard: Yard, amqp_url: str, tmp_path: Path
) -> None:
    with private_redis(tmp_path / "redis") as node:
        yard = Yard(yard.rabbit, amqp_url, node.url, tmp_path)
        async with yard.worker("-c", "2", WARRENER_GRACE="0.2") as worker:
            jobs = [await tasks.wait.send("a", "gate"), await tasks.sends.send("b", "sending")]
            for name in ("a", "b"):
                await yard.noted(f"start {name}")
            os.kill(node.pid, signal.SIGSTOP)
            yard.open("sending")
            await yard.ready(1)  # what it sends is confirmed, and being recorded
            worker.kill(signal.SIGTERM)
            # The calls that are left take a minute and a half if each may try until it gives up.
            assert await worker.ended() == 0
        [line] = [line for line in worker.lines if "submission(s)" in line]
        assert "not recorded yet: Redis has not answered within 5 s" in line
        os.kill(node.pid, signal.SIGCONT)
        await yard.ready(3)
        yard.open("gate")
        async with yard.worker():
            statuses = await yard.ended(*jobs, "b-sent")
        # Uncharged, if what the worker said last was in Redis's buffers.
        assert [(s.state, s.attempt) for s in statuses] == [(State.SUCCESS, 1)] * 3
        assert max(status.losses for status in statuses) <= 1
        await yard.app.close()
    assert yard.events("a") == ["start a", "start a", "end a"]
    assert yard.events("b-sent") == ["start b-sent", "end b-sent"]


async def test_a_rabbitmq_that_hangs_holds_up_no_stop_and_what_ran_is_handed_back(
    yard: Yard,
) -> None:
    broker, amqp = await proxied(yard.amqp_url)
    impatient = {"WARRENER_GRACE": "0.2", "WARRENER_CONNECT_TIMEOUT": "0.5"}
    async with yard.worker(WARRENER_AMQP_URL=amqp, **impatient) as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        await broker.mute()
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    # Redis was there: it knows that nobody runs it, and that the worker has left.
    assert await PresenceBoard(yard.app.settings, yard.client.store).living() == []
    status = await yard.status(job)
    assert (status.state, status.losses) == (State.PENDING, 0)
    await broker.unmute()
    await broker.close()
    yard.open("gate")
    async with yard.worker():
        [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "start a", "end a"]


async def test_while_redis_hangs_a_send_returns_and_is_recorded_once_redis_answers(
    yard: Yard, redis_url: str
) -> None:
    store, redis = await proxied(redis_url)
    yard.app.settings = yard.app.settings.model_copy(
        update={"redis_url": SecretStr(redis), "connect_timeout": 2.0}
    )
    await tasks.run.send("connects")
    await store.mute()
    jobs = await asyncio.gather(*(tasks.run.send(f"job-{n}") for n in range(3)))
    await store.cut()  # or what is on its way would be enough
    await store.unmute()
    ids = [job.id for job in jobs]

    async def recorded() -> bool:
        return all(await yard.client.store.statuses(ids))  # by whom, if not by who sent them?

    await until_true(recorded, "the records of what was sent")
    await store.close()


async def test_a_producer_closes_though_redis_hangs(yard: Yard, redis_url: str) -> None:
    store, redis = await proxied(redis_url)
    yard.app.settings = yard.app.settings.model_copy(
        update={"redis_url": SecretStr(redis), "connect_timeout": 900.0}
    )
    await tasks.run.send("connects")
    await store.mute()
    sending = asyncio.create_task(tasks.run.send("a"))
    await yard.ready(2)
    async with asyncio.timeout(PATIENCE):
        await yard.client.close(0.1)
        await sending  # it was confirmed, and its worker makes the record
    await store.unmute()
    await store.close()
