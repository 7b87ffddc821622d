"""RabbitMQ users that may do no more than docs/operating.md says, each at what it is for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from warrener import BrokerUnavailable, State, WarrenerError
from warrener.client import Client
from warrener.pinging import ping
from warrener.queues import Queues
from warrener.replaying import Replayer
from warrener.selecting import Selection

from . import yard as tasks
from .conftest import QUEUE, Yard, version_of

ALL = Selection(everything=True)
OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
ROW = re.compile(r"\| (\w+)[^|]*\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|")
"""A user, and the patterns of what it may configure, write and read."""


def _patterns() -> dict[str, dict[str, str]]:
    """By user; the page's queues are `shop.…`, and ours is another."""
    text = OPERATING.read_text().replace(r"\|", "!").replace(r"shop\..*", f"{QUEUE}.*")
    found = {}
    for name, *patterns in ROW.findall(text):
        may = [pattern.replace("!", "|") for pattern in patterns]
        found[name] = dict(zip(("configure", "write", "read"), may, strict=True))
    return found


@pytest.fixture
def users(yard: Yard) -> Iterator[dict[str, str]]:
    """The URL of each."""
    urls = {}
    patterns = _patterns()
    if version_of(yard.rabbit) >= (4, 3):
        for may in patterns.values():
            may["configure"] = patterns["everything"]["configure"]
    for name, may in patterns.items():
        user = f"{name}-{yard.vhost}"
        yard.rabbit.manage("PUT", f"/api/users/{user}", {"password": "x", "tags": ""})
        yard.rabbit.manage("PUT", f"/api/permissions/{yard.vhost}/{user}", may)
        urls[name] = yard.amqp_url.replace("guest:guest@", f"{user}:x@")
    yield urls
    for name in urls:
        yard.rabbit.manage("DELETE", f"/api/users/{name}-{yard.vhost}")


@asynccontextmanager
async def _as(yard: Yard, url: str, *, declare: bool = False) -> AsyncIterator[Client]:
    changes = {"amqp_url": SecretStr(url), "declare": declare}
    client = Client(yard.app.settings.model_copy(update=changes), [QUEUE])
    try:
        yield client
    finally:
        await client.close()


async def test_each_does_its_own_and_no_more(yard: Yard, users: dict[str, str]) -> None:
    assert set(users) == {"everything", "worker", "sender", "desk"}
    async with _as(yard, users["everything"], declare=True) as client:
        await client.publisher.ready()
    yard.app.settings = yard.app.settings.model_copy(
        update={"amqp_url": SecretStr(users["sender"]), "declare": False}
    )
    environment = {"WARRENER_AMQP_URL": users["worker"], "WARRENER_DECLARE": "false"}
    async with yard.worker("--name", "one", **environment):
        jobs: list[Any] = [await tasks.run.options(countdown=0.2).send("a")]
        jobs.append(await tasks.fails.send("retried", 1))
        jobs.append(await tasks.broken.send("dead"))
        states = [status.state for status in await yard.ended(*jobs)]
        assert states == [State.SUCCESS, State.SUCCESS, State.FAILURE]
        await yard.letters(1)
        async with _as(yard, users["desk"]) as desk:
            assert [pong.seconds is not None for pong in await ping(desk, 60)] == [True]
            assert (await Queues(desk).pause(QUEUE)).paused
            assert (await Replayer(desk).replay(QUEUE, ALL)).replayed == 1
            waiting = await tasks.run.send("purged")
            assert (await Queues(desk).purge(QUEUE)).revoked == 2
            assert (await yard.status(waiting)).state is State.REVOKED
    for name in ("sender", "worker"):
        async with _as(yard, users[name]) as client:
            with pytest.raises((WarrenerError, BrokerUnavailable)):
                await Replayer(client).replay(QUEUE, ALL)
    async with _as(yard, users["sender"]) as client, client.publisher.own_channel() as channel:
        with pytest.raises(Exception, match="refused"):
            await channel.basic_get(QUEUE)
