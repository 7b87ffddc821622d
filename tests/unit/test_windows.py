"""How much is published at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from warrener.errors import BrokerUnavailable, QueueNotFound, WarrenerError
from warrener.messages import Message
from warrener.outgoing import Outgoing
from warrener.windows import BYTES_IN_FLIGHT, IN_FLIGHT, each_queue, in_turn, windows


@pytest.mark.parametrize(
    "sizes, found",
    [
        ([], []),
        ([1], [1]),
        ([1] * (2 * IN_FLIGHT + 3), [IN_FLIGHT, IN_FLIGHT, 3]),
        ([BYTES_IN_FLIGHT, 1, BYTES_IN_FLIGHT - 1, 5], [1, 2, 1]),
        ([BYTES_IN_FLIGHT // 2] * 5, [2, 2, 1]),
    ],
)
def test_a_window_ends_at_so_many_messages_or_bytes(sizes: list[int], found: list[int]) -> None:
    bodies = {size: b"x" * size for size in set(sizes)}
    outgoing = [Outgoing(Message(f"job-{n}", "t", bodies[s]), "q") for n, s in enumerate(sizes)]
    some = list(windows(outgoing))
    assert [len(window) for window in some] == found
    assert [one for window in some for one in window] == outgoing


async def test_no_queue_waits_for_another_and_answers_keep_their_order() -> None:
    stuck, fault = asyncio.Event(), QueueNotFound(queue="b")
    healthy = asyncio.Event()

    async def publish(some: Sequence[Outgoing]) -> list[WarrenerError | None]:
        if some[0].queue == "b":
            await stuck.wait()
            return [fault] * len(some)
        healthy.set()
        return [None] * len(some)

    places = ("a", "b", "a", "b", "c")
    outgoing = [Outgoing(Message(f"job-{n}", "t", b""), q) for n, q in enumerate(places)]
    publishing = asyncio.create_task(each_queue(outgoing, publish))
    await healthy.wait()
    assert not publishing.done()
    stuck.set()
    assert await publishing == [None, fault, None, fault, None]


async def test_once_a_whole_window_fails_for_all_the_rest_is_not_tried() -> None:
    away, alone = BrokerUnavailable(url="amqp://b", reason="gone"), QueueNotFound(queue="q")
    outgoing = [Outgoing(Message(f"job-{n}", "t", b""), "q") for n in range(4 * IN_FLIGHT)]
    tried: list[int] = []

    async def publish(some: Sequence[Outgoing]) -> list[WarrenerError | None]:
        tried.append(len(some))
        # Of the first window one is answered, of the second none.
        return [alone if len(tried) == 1 and one is outgoing[7] else away for one in some]

    answers = await in_turn(
        outgoing, publish=publish, for_the_rest=lambda fault: fault if fault is away else None
    )
    assert tried == [IN_FLIGHT, IN_FLIGHT]
    assert answers == [away] * 7 + [alone] + [away] * (4 * IN_FLIGHT - 8)
