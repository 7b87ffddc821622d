"""Publishes of one turn leave in one write; calls that come while one is under way are made together in the
next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel

from tests.support import PATIENCE
from warrener.joining import JoinedCalls, JoinedPublishes


class Away(Exception):
    """Nobody is there to do anything."""


class Slow:
    """Does what it is told when it may."""

    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.may = asyncio.Semaphore(0)

    async def do(self, items: Sequence[int]) -> None:
        await self.may.acquire()
        if 13 in items:
            raise ValueError("13")
        if 0 in items:
            raise Away
        self.done.append(list(items))


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_during_a_call_is_done_together() -> None:
    slow = Slow()
    calls = JoinedCalls(slow.do, 4, Away)
    first = asyncio.create_task(calls.do([9]))
    await turns()
    rest = [asyncio.create_task(calls.do([n, -n])) for n in (1, 2, 3)]
    await turns()
    slow.may.release()
    slow.may.release()
    await asyncio.gather(first, *rest[:2])
    assert slow.done == [[9], [1, -1, 2, -2]]
    assert not rest[2].done()
    slow.may.release()
    await rest[2]


async def test_those_who_were_together_share_the_error_and_others_do_not() -> None:
    slow = Slow()
    calls = JoinedCalls(slow.do, 2, Away)
    asked = [asyncio.create_task(calls.do([n])) for n in (13, 1, 2)]
    for _ in range(2):
        slow.may.release()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError, type(None)]


async def test_one_that_is_cancelled_stops_nothing() -> None:
    slow = Slow()
    calls = JoinedCalls(slow.do, 9, Away)
    gone, stays = asyncio.create_task(calls.do([1])), asyncio.create_task(calls.do([2]))
    await turns()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    slow.may.release()
    await stays
    await calls.drain(PATIENCE)
    assert slow.done == [[1, 2]]


async def test_behind_one_for_which_nobody_is_there_nothing_is_tried() -> None:
    slow = Slow()
    calls = JoinedCalls(slow.do, 2, Away)
    asked = [asyncio.create_task(calls.do([n])) for n in (0, 1, 2, 3, 4)]
    await turns()
    slow.may.release()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Away] * 5
    slow.may.release()
    await calls.do([5])
    assert slow.done == [[5]]


@pytest.mark.parametrize("under_way", [True, False])
async def test_what_cannot_be_done_in_time_is_given_up_at_the_end(under_way: bool) -> None:
    calls = JoinedCalls(Slow().do, 2, Away)
    asked = [asyncio.create_task(calls.do([n])) for n in (1, 2, 3)]
    await asyncio.sleep(0)  # asked for, and the first call is not begun yet
    if under_way:
        await turns()
    await calls.drain(0)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [TimeoutError] * 3


class Room:
    """A channel with room for one write."""

    number = 1
    max_content_size = 4096
    is_closed = False

    def __init__(self) -> None:
        self.write_queue: asyncio.Queue[ChannelFrame] = asyncio.Queue(1)
        self.write_queue.put_nowait(ChannelFrame(b"", should_close=False))
        self.delivery_tag = 0
        self.confirmations: dict[int, asyncio.Future[object]] = {}
        self.message_id_delivery_tag: dict[str, int] = {}

    def create_future(self) -> asyncio.Future[object]:
        return asyncio.get_running_loop().create_future()


def waiting_for(room: Room) -> tuple[JoinedPublishes, list[asyncio.Future[object]]]:
    publishes = JoinedPublishes(cast(Channel, room))
    ids = [spec.Basic.Properties(message_id=name) for name in ("first", "second")]
    return publishes, [publishes.publish("", "queue", one, b"{}") for one in ids]


async def test_publishes_wait_for_room_and_keep_their_order() -> None:
    room = Room()
    _, confirms = waiting_for(room)
    await turns()
    assert room.confirmations == {}
    room.write_queue.get_nowait()
    written = await room.write_queue.get()
    assert written.payload.index(b"first") < written.payload.index(b"second")
    assert room.confirmations == {1: confirms[0], 2: confirms[1]}


async def test_a_channel_that_closes_without_room_is_not_tried_again() -> None:
    room = Room()
    publishes, _ = waiting_for(room)
    room.is_closed = True
    await turns()
    room.is_closed = False  # so that whatever is written after all is seen
    room.write_queue.get_nowait()
    confirm = publishes.publish("", "queue", spec.Basic.Properties(message_id="third"), b"{}")
    await room.write_queue.get()
    assert room.confirmations == {1: confirm}
