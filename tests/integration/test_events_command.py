"""`warrener events` and `warrener job --watch`."""

from __future__ import annotations

import signal

import orjson

from . import yard as tasks
from .conftest import Yard
from .terminal import in_a_terminal


async def test_the_command_line_follows_and_watches(yard: Yard) -> None:
    async with yard.worker("--name", "one"), yard.running("events", "--json") as events:
        await events.says("following")
        job = await tasks.reports.send("held", "gate")
        async with yard.running("job", job.id, "--watch") as watch:
            await watch.says(f"{job.id} STARTED 3/4 nearly")
            command = ("job", job.id, "--watch")
            async with in_a_terminal(*command, **yard.environment, TERM="xterm") as person:
                await person.expect("STARTED 3/4 nearly")
                await person.expect("75%")
            yard.open("gate")
            await watch.says("progress  3/4 nearly")
            assert await watch.ended() == 0
        line = await events.says('"SUCCESS"')
        assert orjson.loads(line)["id"] == job.id
        events.kill(signal.SIGINT)
        assert await events.ended() == 0
