"""The store: announcements, pipelines, and a Redis that is away or has forgotten."""

import asyncio
from collections.abc import Callable
from typing import Any

import fakeredis
import pytest

from warrener import Settings, StoreUnavailable, transitions
from warrener.store import Store
from warrener.transitions import Granted, Transition, read_claim

from .records import (
    FIRST,
    JOB,
    SUBMITTED,
    WAYS,
    buried,
    claimed,
    do,
    retried,
    revoked,
    succeeded,
)


@pytest.mark.parametrize(
    "start, move, announced",
    [
        ("STARTED", succeeded("mine"), b"SUCCESS"),
        ("FAILURE", transitions.pay(JOB, "mine"), b"FAILURE"),
        ("STARTED", buried("mine"), None),
        ("PENDING", revoked(FIRST), b"REVOKED"),
        ("STARTED", retried("mine"), None),
        ("STARTED", transitions.release(JOB, "mine"), None),
        ("STARTED", succeeded("late"), None),
    ],
)
async def test_the_end_of_a_job_is_announced_once(
    store: Store, start: str, move: Transition, announced: bytes | None
) -> None:
    await WAYS[start](store)
    subscription: Any = store.client.pubsub(ignore_subscribe_messages=True)
    async with subscription:
        await subscription.subscribe(store.keys.ended(JOB))
        await store.apply([move, move])
        await store.client.publish(store.keys.ended(JOB), "that was all")
        heard: list[bytes] = []
        async with asyncio.timeout(5):
            while b"that was all" not in heard:
                if event := await subscription.get_message(timeout=1):
                    heard.append(event["data"])
    assert heard[:-1] == ([announced] if announced else [])


async def test_many_moves_are_made_in_one_round_trip_and_answered_in_order(store: Store) -> None:
    jobs = [FIRST._replace(job_id=f"j{n}") for n in range(50)]
    replies = await store.apply([claimed(job, f"t{n}") for n, job in enumerate(jobs)])
    assert [read_claim(reply) for reply in replies] == [Granted(0)] * 50
    ids = [job.job_id for job in jobs]
    statuses = await store.statuses([*ids, "unknown"])
    assert [status.id if status else None for status in statuses] == [*ids, None]


async def test_a_store_that_forgot_the_scripts_is_told_them_again(store: Store) -> None:
    await do(store, claimed(FIRST, "mine"))
    await store.client.script_flush()
    assert await do(store, succeeded("mine")) == [b"ok"]


def _ping(store: Store) -> Any:
    return store.ping()


def _status(store: Store) -> Any:
    return store.status(JOB)


def _apply(store: Store) -> Any:
    return store.apply([SUBMITTED])


@pytest.mark.parametrize("call", [_ping, _status, _apply])
async def test_a_missing_store_is_named_without_its_password(call: Callable[[Store], Any]) -> None:
    server = fakeredis.FakeServer()
    server.connected = False
    settings = Settings.model_validate({"redis_url": "redis://:hunter2@redis.example/0"})
    store = Store(settings, fakeredis.FakeAsyncRedis(server=server), lambda: 0.0)
    with pytest.raises(StoreUnavailable, match=r"redis\.example") as away:
        await call(store)
    assert "hunter2" not in str(away.value)
    await store.close()


async def test_a_store_that_never_answers_is_given_up() -> None:
    settings = Settings.model_validate({"connect_timeout": 0.1})
    store = Store(settings, fakeredis.FakeAsyncRedis(), lambda: 0.0)
    with pytest.raises(StoreUnavailable, match=r"it has not answered within 0\.3 s"):
        async with store.reachable():
            await asyncio.Event().wait()
    await store.close()
