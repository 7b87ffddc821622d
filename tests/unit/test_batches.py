"""Moves of one script in one command: each stays what it is alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from warrener import transitions
from warrener.batches import AT_ONCE, batched
from warrener.messages import Message
from warrener.redis_connections import open_client
from warrener.settings import Settings
from warrener.store import Call, Store
from warrener.transitions import Runner
from warrener_workers.nodes import private_redis

ME = Runner("boot", "worker")


@pytest_asyncio.fixture
async def real(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on a Redis of its own: how errors look inside a script is its server's matter."""
    with private_redis(tmp_path) as node:
        settings = Settings(redis_url=node.url)
        store = Store(settings, open_client(settings), time.time)
        yield store
        await store.close()


def claim(job_id: str) -> transitions.Transition:
    return transitions.claim(Message(job_id, "t", b""), "q", f"of {job_id}", ME, 10.0, 60.0)


async def test_a_record_that_cannot_be_used_says_so_and_leaves_its_neighbours_alone(
    real: Store,
) -> None:
    await real.client.set(real.keys.job("b"), "no record")
    await real.client.hset(real.keys.job("c"), mapping={"state": "STARTED", "attempt": "one"})
    replies = await real.apply([claim(job_id) for job_id in "abcd"])
    assert [reply[0] for reply in replies] == [b"run", b"broken", b"broken", b"run"]
    assert b"WRONGTYPE" in replies[1][1]
    alone = [(await real.apply([claim(job_id)]))[0] for job_id in "bc"]
    assert [reply[0] for reply in alone] == [b"broken", b"broken"]


async def test_answers_come_in_the_order_of_the_moves_whatever_was_joined(real: Store) -> None:
    ids = [f"job-{n}" for n in range(2 * AT_ONCE + 1)]
    await real.apply([claim(job_id) for job_id in ids])
    moves = [
        transitions.succeed(job_id, f"of {job_id}" if n % 2 else "nobody", 11.0, b"1", (60, 60))
        for n, job_id in enumerate(ids)
    ]
    moves.insert(7, transitions.progress(ids[0], f"of {ids[0]}", b"{}"))
    replies = await real.apply(moves)
    assert replies.pop(7) == [b"ok"]
    assert [r[0] for r in replies] == [b"ok" if n % 2 else b"superseded" for n in range(len(ids))]


async def test_a_full_redis_counts_as_away_though_the_moves_are_joined(real: Store) -> None:
    from warrener.errors import StoreUnavailable

    await real.apply([claim("x"), claim("y")])
    await real.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable):
        await real.apply([claim("a"), claim("b")])


def test_only_neighbours_of_one_script_and_shape_are_joined() -> None:
    one, two = Call("claim", ("k",), (1, 2)), Call("succeed", ("k", "r"), (1, 2))
    calls = [one, one, two, one, Call("claim", ("k",), (1,)), Call("letters/add", ("l",)), one, one]
    assert [(b.script, b.size) for b in batched(calls)] == [
        ("claim many", 2),
        ("succeed", 1),
        ("claim", 1),
        ("claim", 1),
        ("letters/add", 1),
        ("claim many", 2),
    ]
