"""`warrener shutdown`: a worker stops from afar as it does by SIGTERM, and its successor is left alone. A
name that a living worker has is no other's."""

from __future__ import annotations

import orjson

from warrener import State
from warrener.presence import PresenceBoard

from . import yard as tasks
from .conftest import APP, QUEUE, Yard


async def test_a_worker_is_stopped_from_afar_and_finishes_what_runs(yard: Yard) -> None:
    async with yard.worker("--name", "one") as worker:
        job = await tasks.wait.send("held", "gate")
        await yard.noted("start held")
        async with yard.running("shutdown", "one", "--wait", "0") as asks:
            await asks.says("was asked to stop, and is still there")
            assert await asks.ended() == 1
        await worker.says("finishing 1 job(s)")
        yard.open("gate")
        assert await worker.ended() == 0
        assert (await yard.status(job)).state is State.SUCCESS
    async with yard.worker("--name", "one"):
        await yard.ended(await tasks.run.send("after"))
        board = PresenceBoard(yard.app.settings, yard.client.store)
        [living] = await board.living()
        assert not await board.renew(living), "its successor was not asked"
        async with yard.running("shutdown", "one", "--json") as asks:
            assert await asks.ended() == 0
        assert orjson.loads(asks.log.removesuffix("(end of output)"))["gone"] is True
        assert await board.living() == []


async def test_a_name_that_a_living_worker_has_is_refused_and_stays_its(yard: Yard) -> None:
    async with yard.worker("--name", "one"):
        for _ in range(2):
            async with yard.running("worker", QUEUE, "--app", APP, "--name", "one") as other:
                assert await other.ended() == 2, other.log
            assert "A living worker is already called 'one'" in other.log
            assert "Traceback" not in other.log
        [living] = await PresenceBoard(yard.app.settings, yard.client.store).living()
        assert living.name == "one"
        await yard.ended(await tasks.run.send("after"))
