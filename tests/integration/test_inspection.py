"""What operators ask of workers and queues: ping, status, reserved jobs, backlogs, all of it watched."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from tests.support import PATIENCE
from warrener.pinging import ping
from warrener.presence import Presence, PresenceBoard
from warrener.queues import Queues
from warrener_workers.nodes import private_redis

from . import yard as tasks
from .conftest import QUEUE, Yard, until, until_true


async def test_a_ping_is_answered_by_who_hears_and_misses_who_does_not(yard: Yard) -> None:
    assert await ping(yard.client, 1.0) == []
    patient = yard.worker(
        "--name", "two", WARRENER_BEAT="30"
    )  # alive for all who ask while it is stopped
    async with yard.worker("--name", "one"), patient as two:

        async def both_hear() -> bool:
            pongs = await ping(yard.client, 5.0)
            return len(pongs) == 2 and all(pong.seconds is not None for pong in pongs)

        await until_true(both_hear, "answers of both")
        stopped = psutil.Process(two.process.pid)
        stopped.suspend()
        try:
            [one] = await ping(yard.client, PATIENCE, "one")
            assert one.seconds is not None
            _, other = await ping(yard.client, 1.0)
            assert (other.worker.name, other.seconds) == ("two", None)
            async with yard.running("ping", "two", "--timeout", "0.3") as asks:
                await asks.says("no answer")
                assert await asks.ended() == 1
        finally:
            stopped.resume()
        async with yard.running("ping", "one", "--timeout", "60", "--json") as asks:
            assert await asks.ended() == 0
        [answer] = _json(asks.log)
        assert answer["name"] == "one"


def _json(log: str) -> Any:
    return orjson.loads(log.removesuffix("(end of output)"))


async def test_what_a_worker_holds_and_has_not_begun_is_reserved(yard: Yard) -> None:
    async with yard.worker("--name", "one", "-c", "1", "--prefetch", "3"):
        jobs = [await tasks.wait.send(f"held-{n}", "gate") for n in range(5)]
        await yard.noted("start held-0")

        async def listed() -> bool:
            [worker] = await PresenceBoard(yard.app.settings, yard.client.store).living()
            return len(worker.running) == 3

        await until_true(listed, "three jobs on its beat")
        [worker] = await PresenceBoard(yard.app.settings, yard.client.store).living()
        assert [job["id"] for job in worker.begun] == [jobs[0].id]
        assert [job["id"] for job in worker.reserved] == [job.id for job in jobs[1:3]]
        _check_memory(worker)
        async with yard.running("inspect", "reserved", "--json") as asks:
            assert await asks.ended() == 0
        assert [job["id"] for job in _json(asks.log)] == [job.id for job in jobs[1:3]]
        state = await Queues(yard.client).state(QUEUE)
        assert (state.ready, state.unacked, state.consumers) == (2, 3, 1)
        assert state.oldest is not None
        yard.open("gate")
        await yard.ended(*jobs)


def _check_memory(worker: Presence) -> None:
    tree = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    held = sum(process.memory_info().rss for process in tree)
    assert 0.5 * held < worker.memory < 2 * held


async def test_a_backlog_without_workers_has_an_age_and_what_is_delayed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with yard.worker():
        await yard.ended(first := await tasks.run.send("first"))
    waiting = [await tasks.run.send(f"later-{n}") for n in range(3)]
    delayed = await tasks.run.options(countdown=600).send("delayed")
    created = [(await yard.status(job)).created or 0.0 for job in (first, *waiting, delayed)]
    now = created[-1] + 10
    monkeypatch.setattr(yard.client, "clock", lambda: now)
    state = await Queues(yard.client).state(QUEUE)
    assert (state.ready, state.consumers, state.delayed, state.unacked) == (3, 0, 1, 0)
    assert state.oldest == now - created[1]
    assert state.submitted == sum(at > now - 60 for at in created) / 60 > 0


async def test_watching_shows_what_is_new_and_ends_by_ctrl_c(yard: Yard) -> None:
    async with yard.running("status", "--watch", "--json") as watch:
        await watch.says("[]")
        async with yard.worker("--name", "one"):
            await watch.says('"name":"one"')
        watch.kill(signal.SIGINT)
        assert await watch.ended() == 0
    async with yard.running("queues", "--watch") as watch:
        await watch.says(QUEUE)
        watch.kill(signal.SIGINT)
        assert await watch.ended() == 0


async def test_watching_waits_for_a_server_that_is_away(yard: Yard, tmp_path: Path) -> None:
    with private_redis(tmp_path / "redis") as redis:
        async with yard.running("status", "--watch", WARRENER_REDIS_URL=redis.url) as watch:
            await watch.says("no worker lives")
            redis.kill()
            await watch.says("warrener: Redis at ")
            seen = len(watch.lines)
            redis.start()
            await until(lambda: any("no worker" in line for line in watch.lines[seen:]), "it again")
            watch.kill(signal.SIGINT)
            assert await watch.ended() == 0


async def test_on_a_terminal_the_picture_is_drawn_anew(yard: Yard) -> None:
    parent, child = pty.openpty()
    seen = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(parent, lambda: seen.extend(os.read(parent, 65_536)))
    command = (sys.executable, "-m", "warrener_workers.cli", "inspect", "active", "--watch")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=child, stdout=child, stderr=child, env={**os.environ, **yard.environment}
    )
    try:
        await until(lambda: b"no job has been running" in seen, "an empty picture")
        async with yard.worker("--name", "one"):
            job = await tasks.wait.send("held", "gate")
            await until(lambda: job.id.encode() in seen, "the job")
            yard.open("gate")
            await yard.ended(job)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    finally:
        loop.remove_reader(parent)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(parent)
        os.close(child)
