"""Waiting for a job's end: when another waiter for it fails or leaves while it subscribes, and when the
dead letter of a failed job is still on its way.

Nobody looks again here: only an announcement wakes a waiter.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.exceptions

from warrener import State, StoreUnavailable, transitions
from warrener.records import JobStatus
from warrener.store import Store
from warrener.waiting import Waiter

from .records import JOB, WAYS, buried, do, succeeded

NEVER = 3600.0


class Gate:
    """Stands before the first subscription, until it is opened or broken."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.fault: Exception | None = None
        self.reads: asyncio.Queue[None] = asyncio.Queue()
        real, status = store.client.pubsub, store.status

        def pubsub() -> Any:
            made: Any = real()
            subscribe = made.subscribe

            async def gated(channel: str) -> None:
                if not self.reached.is_set():
                    self.reached.set()
                    await self.opened.wait()
                    if self.fault is not None:
                        raise self.fault
                await subscribe(channel)

            monkeypatch.setattr(made, "subscribe", gated)
            return made

        async def noted(job_id: str) -> JobStatus | None:
            found = await status(job_id)
            self.reads.put_nowait(None)
            return found

        monkeypatch.setattr(store.client, "pubsub", pubsub)
        monkeypatch.setattr(store, "status", noted)

    async def waiting(self, waiter: Waiter) -> "asyncio.Task[JobStatus | None]":
        """A waiter that has found the job unfinished and goes on to subscribe."""
        task = asyncio.create_task(waiter.wait(JOB, None))
        await self.reads.get()
        return task


@pytest.fixture
def gate(store: Store, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(store, monkeypatch)


@pytest.fixture
async def waiter(store: Store) -> AsyncIterator[Waiter]:
    await WAYS["STARTED"](store)
    waiter = Waiter(store, recheck=NEVER)
    yield waiter
    await waiter.close()


async def woken(waiting: "asyncio.Task[JobStatus | None]", store: Store) -> None:
    """It is told of the end."""
    async with asyncio.timeout(10):
        await do(store, succeeded("mine"))
        status = await waiting
    assert status is not None
    assert status.state is State.SUCCESS


async def test_a_waiter_that_was_cancelled_while_it_subscribed_leaves_nothing_behind(
    waiter: Waiter, gate: Gate, store: Store
) -> None:
    first = await gate.waiting(waiter)
    await gate.reached.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await woken(await gate.waiting(waiter), store)


async def test_a_waiter_beside_one_that_was_cancelled_subscribes_itself(
    waiter: Waiter, gate: Gate, store: Store
) -> None:
    first = await gate.waiting(waiter)
    await gate.reached.wait()
    second = await gate.waiting(waiter)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await woken(second, store)


async def test_a_waiter_after_one_whose_subscription_failed_subscribes_itself(
    waiter: Waiter, gate: Gate, store: Store
) -> None:
    first = await gate.waiting(waiter)
    await gate.reached.wait()
    gate.fault = redis.exceptions.ConnectionError("gone")
    gate.opened.set()
    with pytest.raises(StoreUnavailable):
        await first
    await woken(await gate.waiting(waiter), store)


async def test_a_failure_has_ended_for_its_waiters_once_its_dead_letter_can_be_found(
    waiter: Waiter, gate: Gate, store: Store
) -> None:
    await do(store, buried("mine"))
    async with asyncio.timeout(10):
        waiting = await gate.waiting(waiter)
        await gate.reached.wait()
        gate.opened.set()
        await gate.reads.get()  # it has looked again behind its subscription
        assert not waiting.done()
        await do(store, transitions.pay(JOB, "mine"))
        status = await waiting
    assert status is not None
    assert (status.state, status.owes) == (State.FAILURE, False)
