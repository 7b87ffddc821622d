"""Calls that come while one is under way are made together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from warrener.joining import Calls


class Slow:
    """Does what it is told when it may."""

    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.may = asyncio.Semaphore(0)

    async def do(self, items: Sequence[int]) -> None:
        await self.may.acquire()
        if 13 in items:
            raise ValueError("13")
        self.done.append(list(items))


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_during_a_call_is_done_together() -> None:
    slow = Slow()
    calls = Calls(slow.do, 4)
    first = asyncio.create_task(calls.do([0]))
    await turns()
    rest = [asyncio.create_task(calls.do([n, -n])) for n in (1, 2, 3)]
    await turns()
    slow.may.release()
    slow.may.release()
    await asyncio.gather(first, *rest[:2])
    assert slow.done == [[0], [1, -1, 2, -2]]
    assert not rest[2].done()
    slow.may.release()
    await rest[2]


async def test_those_who_were_together_share_the_error_and_others_do_not() -> None:
    slow = Slow()
    calls = Calls(slow.do, 2)
    asked = [asyncio.create_task(calls.do([n])) for n in (13, 1, 2)]
    for _ in range(2):
        slow.may.release()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError, type(None)]


async def test_one_that_is_cancelled_stops_nothing() -> None:
    slow = Slow()
    calls = Calls(slow.do, 9)
    gone, stays = asyncio.create_task(calls.do([1])), asyncio.create_task(calls.do([2]))
    await turns()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    slow.may.release()
    await stays
    await calls.drain()
    assert slow.done == [[1, 2]]
