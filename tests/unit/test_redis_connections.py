"""Redis's client under cancellation: whenever it comes, it arrives."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from warrener import Settings
from warrener.redis_connections import cancellable, open_client


@pytest.mark.parametrize("turns", range(40))
async def test_a_cancellation_in_any_turn_of_the_loop_arrives(turns: int, redis_url: str) -> None:
    client = open_client(Settings(redis_url=redis_url))
    await client.ping()  # it is connected; in the first turns below it is not yet asked
    asked, went_on = asyncio.Event(), asyncio.Event()

    async def asks() -> None:
        asked.set()
        await client.ping()
        went_on.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(asks())
    await asked.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    cancelled_before = not went_on.is_set()
    task.cancel()
    if cancelled_before:
        # A lost cancellation would let it go on, to where nobody wakes it.
        went = asyncio.create_task(went_on.wait())
        await asyncio.wait([task, went], return_when=asyncio.FIRST_COMPLETED)
        went.cancel()
        assert not went_on.is_set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.echo("next") == b"next", "no answer is left for the next command"
    await client.aclose()


@pytest.mark.parametrize("kind", [Connection, SSLConnection, UnixDomainSocketConnection])
def test_every_kind_of_connection_stays_what_it_is(kind: type) -> None:
    assert issubclass(cancellable(kind), kind)
