"""Whatever a task does to its process, the worker's connection stays the same one."""

from __future__ import annotations

import re
from typing import Any

from warrener import State

from . import yard as tasks
from .conftest import QUEUE, Yard, until

HEARTBEAT = 2
LONG = 4.5 * HEARTBEAT
"""Seconds. RabbitMQ closes a connection that has been silent for two heartbeats."""


async def _connection(yard: Yard) -> tuple[str, int]:
    """The broker's name of the consuming connection, with both ports, and when it was opened; once the
    management API lists it."""
    found: list[dict[str, Any]] = []

    def listed() -> bool:
        every = yard.rabbit.manage("GET", f"/api/vhosts/{yard.vhost}/connections")
        # The others of a worker say in brackets what they are for.
        found[:] = [one for one in every if re.fullmatch(r"warrener worker [^ ]+", _named(one))]
        return bool(found) and "connected_at" in found[0]

    await until(listed, "a listed connection")
    [one] = found
    assert one["timeout"] == HEARTBEAT
    return one["name"], one["connected_at"]


def _named(connection: dict[str, Any]) -> str:
    name: str = connection.get("client_properties", {}).get("connection_name", "")
    return name


async def test_tasks_that_burn_or_block_do_not_cost_the_connection(yard: Yard) -> None:
    # Each in a process of its own, since a blocked loop would hold up what else is in its process.
    options = ("--processes", "3", "-c", "1")
    async with yard.worker(*options, WARRENER_HEARTBEAT=str(HEARTBEAT)) as worker:
        before = await _connection(yard)
        jobs = {
            task.__name__: await task.send(task.__name__, LONG)
            for task in (tasks.burns, tasks.nap, tasks.block)
        }
        for status in await yard.ended(*jobs.values()):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        for name in jobs:
            assert yard.events(name) == [f"start {name}", f"end {name}"]
        assert await _connection(yard) == before
        assert "is lost" not in worker.log
    assert await yard.waiting(QUEUE) == []
