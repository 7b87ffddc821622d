"""The proxy of chaos: it forwards, cuts, and falls silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.proxy import Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(100):
            writer.write(chunk)
    writer.close()


@asynccontextmanager
async def standing() -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy before a server that echoes, and its port."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    proxy = Proxy(lambda: port)
    try:
        yield proxy, await proxy.start()
    finally:
        await proxy.close()
        server.close()
        # Both sides of each connection see its end, and close theirs.
        pumps = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*pumps, return_exceptions=True)


async def said(ends: Ends, text: bytes) -> bytes:
    """What comes back."""
    reader, writer = ends
    writer.write(text)
    return await reader.readexactly(len(text))


async def connected(port: int) -> Ends:
    return await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.timeout(30)
async def test_it_forwards_both_ways_and_hands_on_the_end() -> None:
    async with standing() as (_, port):
        ends = await connected(port)
        assert await said(ends, b"hello" * 100_000) == b"hello" * 100_000
        ends[1].write_eof()
        assert await ends[0].read() == b""
        ends[1].close()


@pytest.mark.timeout(30)
async def test_a_cut_resets_what_is_open_and_lets_new_ones_through() -> None:
    async with standing() as (proxy, port):
        ends = await connected(port)
        await said(ends, b"one")
        await proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await said(ends, b"two")
        ends[1].close()
        again = await connected(port)
        assert await said(again, b"three") == b"three"
        again[1].close()


@pytest.mark.timeout(30)
async def test_muted_it_holds_everything_and_closes_nothing() -> None:
    async with standing() as (proxy, port):
        before = await connected(port)
        await said(before, b"one")
        await proxy.mute()
        after = await connected(port)
        waiting = [asyncio.create_task(said(ends, b"held")) for ends in (before, after)]
        # Only time could show that nothing comes; that it comes later shows that it was held.
        done, _ = await asyncio.wait(waiting, timeout=0.2)
        assert not done
        await proxy.unmute()
        assert await asyncio.gather(*waiting) == [b"held", b"held"]
        for ends in (before, after):
            ends[1].close()


@pytest.mark.timeout(30)
async def test_a_target_that_is_away_refuses() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    proxy = Proxy(lambda: port)
    ends = await connected(await proxy.start())
    assert await ends[0].read() == b""
    ends[1].close()
    await proxy.close()
