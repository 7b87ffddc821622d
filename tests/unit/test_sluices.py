"""Closing and opening queues: whatever is under way, the last change counts; and who never waits."""

import asyncio
import time
from typing import Any, cast

import pytest

from warrener import Limits, Settings
from warrener.errors import StoreUnavailable
from warrener.flow import Ask, Flow, Refusal
from warrener.limits import QueueRules
from warrener.messages import Message
from warrener.retry import NEVER
from warrener.store import Store
from warrener.transitions import Runner
from warrener_workers.context import Context
from warrener_workers.deliveries import Delivery
from warrener_workers.registry import Registry, TaskSpec
from warrener_workers.sluices import Sluices
from warrener_workers.throttling import Throttling

QUEUE = "shop"


class Consumer:
    """Says what it was told last; each call takes until `go`."""

    def __init__(self) -> None:
        self.consuming = True
        self.calls: list[str] = []
        self.go = asyncio.Event()

    async def hold(self, queue: str) -> None:
        self.calls.append("hold")
        await self.go.wait()
        self.consuming = False

    async def let(self, queue: str) -> None:
        self.calls.append("let")
        await self.go.wait()
        self.consuming = True


class FlowOnPaper:
    """Gives and refuses places as a test says."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.away = False
        self.judged: list[bool] = []

    async def take(
        self, asks: list[Ask], *, judge: bool, look: bool = False
    ) -> list[Refusal | None]:
        self.judged.append(judge)
        if self.away:
            raise StoreUnavailable(url="redis://", reason="away")
        refused = None if self.free.is_set() else Refusal(f"queue:{QUEUE}", "in_flight", 0, False)
        return [refused for _ in asks]


def context(clock: Any = time.time) -> Context:
    return Context(Settings(), cast(Store, None), Runner("me", "me"), clock)


def sluices(flow: FlowOnPaper, consumer: Consumer) -> Sluices:
    found = Sluices(context(), cast(Flow, flow), [QUEUE], consumer)
    found.rules = {QUEUE: QueueRules(max_in_flight=1)}
    return found


async def settled(check: Any) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 — nothing announces it
            await asyncio.sleep(0.005)


async def test_a_queue_that_is_closed_while_it_opens_opens_again() -> None:
    flow, consumer = FlowOnPaper(), Consumer()
    it = sluices(flow, consumer)
    it.close(QUEUE)
    flow.free.set()
    await settled(lambda: consumer.calls == ["let"])
    # It has begun to consume, and what comes at once is refused.
    flow.free.clear()
    it.close(QUEUE)
    giving_back = asyncio.create_task(it.give_back(QUEUE, ()))
    consumer.go.set()
    await giving_back
    assert not consumer.consuming
    flow.free.set()
    it.places_are_free()
    await settled(lambda: consumer.consuming)
    assert not it.closed


async def test_what_comes_late_to_a_queue_that_has_opened_leaves_it_open() -> None:
    flow, consumer = FlowOnPaper(), Consumer()
    consumer.go.set()
    it = sluices(flow, consumer)
    it.close(QUEUE)
    await it.give_back(QUEUE, ())
    flow.free.set()
    it.places_are_free()
    await settled(lambda: not it.closed)
    await it.give_back(QUEUE, ())
    assert consumer.consuming


async def test_a_store_that_is_away_keeps_a_queue_closed_and_judges_nobody() -> None:
    flow, consumer = FlowOnPaper(), Consumer()
    consumer.go.set()
    now = [0.0]
    it = Sluices(context(lambda: now[0]), cast(Flow, flow), [QUEUE], consumer)
    it.rules = {QUEUE: QueueRules(max_in_flight=1)}
    now[0] = 100.0
    assert [it.judges] == [True]
    flow.away = True
    it.close(QUEUE)
    await settled(lambda: flow.judged)
    assert [it.judges] == [False]
    assert QUEUE in it.closed
    flow.away = False
    flow.free.set()
    it.places_are_free()
    await settled(lambda: not it.closed)
    now[0] += Settings().presence_lifetime
    assert [it.judges] == [True]


@pytest.mark.parametrize("limits", [None, Limits(key="customer")])
async def test_a_job_without_limits_passes_at_once_and_asks_nobody(limits: Limits | None) -> None:
    """Nor does one whose task has a limit per key, and which has none."""
    flow, passed = FlowOnPaper(), list[Delivery]()
    spec = TaskSpec("t", QUEUE, NEVER.backoff, None, 3, False, limits)
    registry = Registry({"t": spec}, [], Settings())
    it = Throttling(context(), cast(Flow, flow), registry, cast(Any, None), passed.extend, [QUEUE])
    delivery = Delivery(Message("job", "t", b""), QUEUE, 1, cast(Any, None))
    it.admit([delivery])
    assert passed == [delivery]
    assert flow.judged == []
