"""What the protocol says of a Redis Cluster: the keys are laid out for one, the client is none yet."""

from __future__ import annotations

import asyncio
import time

import pytest
from pydantic import SecretStr

from warrener import Settings, StoreUnavailable
from warrener.redis_connections import open_client
from warrener.store import Keys, Store

from .blocks import text

PAGE = "protocol.md"


async def _node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A node that has none of the slots it is asked for."""
    while head := await reader.readline():
        for _ in range(2 * int(head[1:])):  # of each word its length and itself
            await reader.readline()
        writer.write(b"-MOVED 3999 127.0.0.1:6381\r\n")
    writer.close()


async def test_a_node_that_sends_us_to_another_is_an_error() -> None:
    assert "a node's answer MOVED is an error" in text(PAGE)
    async with await asyncio.start_server(_node, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Settings(redis_url=SecretStr(f"redis://127.0.0.1:{port}/0"))
        store = Store(settings, open_client(settings), time.time)
        for call in (store.status("job-1"), store.check_writable()):
            with pytest.raises(StoreUnavailable, match="127\\.0\\.0\\.1:6381"):
                await call
        await store.close()


def test_the_keys_of_a_job_share_a_hash_tag() -> None:
    keys = Keys("warrener")
    assert {key.partition("{")[2] for key in (keys.job("a"), keys.result("a"))} == {"a}"}
