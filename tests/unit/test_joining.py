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
from aiormq.exceptions import AMQPConnectionError

from tests.support import PATIENCE
from warrener.joining import Confirms, JoinedCalls, JoinedPublishes, JoinedTurns, Publish


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
        self.futures: list[asyncio.Future[object]] = []

    def create_future(self) -> asyncio.Future[object]:
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


def one(name: str) -> list[Publish]:
    return [("", "queue", spec.Basic.Properties(message_id=name), b"{}")]


def waiting_for(room: Room) -> tuple[JoinedPublishes, list[Confirms]]:
    publishes = JoinedPublishes(cast(Channel, room))
    return publishes, [publishes.publish(one(name)) for name in ("first", "second")]


async def test_publishes_wait_for_room_and_keep_their_order() -> None:
    room = Room()
    _, confirms = waiting_for(room)
    await turns()
    assert room.confirmations == {}
    room.write_queue.get_nowait()
    written = await room.write_queue.get()
    assert written.payload.index(b"first") < written.payload.index(b"second")
    room.confirmations[2].set_result(None)
    await confirms[1].done
    await turns()
    assert not confirms[0].done.done()
    assert room.message_id_delivery_tag == {"first": 1}
    assert [confirm.done() for confirm in room.confirmations.values()] == [False, True]


async def test_those_of_one_call_are_done_together_each_with_its_own_fault() -> None:
    room, fault = Room(), ValueError("refused")
    room.write_queue.get_nowait()
    publishes = JoinedPublishes(cast(Channel, room))
    confirms = publishes.publish([*one("a"), *one("b"), *one("c")])
    await turns()
    room.confirmations[2].set_exception(fault)
    room.confirmations[1].set_result(None)
    assert (list(confirms.open), confirms.done.done()) == ([2], False)
    room.confirmations[3].set_result(None)
    await confirms.done
    await turns()
    assert confirms.faults == [None, fault, None]
    assert room.message_id_delivery_tag == {}


async def test_one_that_cannot_be_written_fails_alone() -> None:
    room = Room()
    room.write_queue.get_nowait()
    publishes = JoinedPublishes(cast(Channel, room))
    confirms = publishes.publish([*one("a"), *one("x" * 256), *one("c")])
    await turns()
    assert isinstance(confirms.faults[1], TypeError), "as pamqp says it"
    assert list(room.message_id_delivery_tag) == ["a", "c"]
    for confirm in room.confirmations.values():
        confirm.set_result(None)
    await confirms.done
    assert [confirms.faults[0], confirms.faults[2]] == [None, None]
    alone = publishes.publish(one("\ud800"))
    assert alone.done.done()
    assert isinstance(alone.faults[0], UnicodeEncodeError)


async def test_what_is_given_up_before_it_is_written_is_not_published() -> None:
    room = Room()
    _, (gone, stays) = waiting_for(room)
    gone.done.cancel()
    room.write_queue.get_nowait()
    written = await room.write_queue.get()
    assert b"first" not in written.payload
    assert list(room.confirmations) == [1]
    room.confirmations[1].set_result(None)
    await stays.done


async def test_a_confirm_that_comes_too_late_finds_nobody() -> None:
    room = Room()
    room.write_queue.get_nowait()
    _, (gone, _) = waiting_for(room)
    await turns()
    gone.done.cancel()
    await turns()
    late = room.confirmations[1]
    assert (late.done(), late.cancelled()) == (True, True)
    assert list(gone.open) == [0]


@pytest.mark.parametrize("error", [OSError("the line is dead"), asyncio.CancelledError()])
async def test_a_channel_that_closes_ends_what_is_open(error: BaseException) -> None:
    room = Room()
    room.write_queue.get_nowait()
    publishes = JoinedPublishes(cast(Channel, room))
    confirms, later = publishes.publish([*one("a"), *one("b")]), publishes.publish(one("c"))
    await turns()
    room.confirmations[1].set_result(None)
    [lost] = room.futures
    lost.set_exception(error)
    await confirms.done
    await later.done
    assert confirms.faults[0] is None
    for fault in (confirms.faults[1], *later.faults):
        assert fault is error or isinstance(fault, AMQPConnectionError)


async def test_a_channel_that_closes_without_room_is_not_tried_again() -> None:
    room = Room()
    publishes, _ = waiting_for(room)
    room.is_closed = True
    await turns()
    room.is_closed = False  # so that whatever is written after all is seen
    room.write_queue.get_nowait()
    publishes.publish(one("third"))
    written = await room.write_queue.get()
    assert b"third" in written.payload
    assert list(room.confirmations) == [1]


class Squares:
    """Squares numbers when it may, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may = asyncio.Event()

    async def do(self, items: Sequence[int]) -> list[int]:
        self.asked.append(list(items))
        await self.may.wait()
        if 13 in items:
            raise ValueError("13")
        return [item * item for item in items]


async def test_what_is_asked_in_one_turn_is_done_together_each_with_its_own_answers() -> None:
    squares = Squares()
    joined = JoinedTurns(squares.do)
    asked = [asyncio.create_task(joined.do(items)) for items in ([1], [2, 3], [], [4])]
    await turns()
    later = asyncio.create_task(joined.do([5]))
    await turns()
    assert squares.asked == [[1], [2, 3, 4], [5]], "nobody was there before the first"
    squares.may.set()
    assert await asyncio.gather(*asked, later) == [[1], [4, 9], [], [16], [25]]
    assert await joined.do([6]) == [36]


async def test_those_of_a_turn_share_its_error_and_one_that_is_cancelled_stops_no_other() -> None:
    squares = Squares()
    joined = JoinedTurns(squares.do)
    first = asyncio.create_task(joined.do([1]))
    await turns()
    unlucky = [asyncio.create_task(joined.do([n])) for n in (13, 2)]
    await turns()
    gone, stays = asyncio.create_task(joined.do([3])), asyncio.create_task(joined.do([4]))
    await turns()
    gone.cancel()
    squares.may.set()
    answers = await asyncio.gather(first, *unlucky, gone, stays, return_exceptions=True)
    assert [type(one) for one in answers] == [
        list,
        ValueError,
        ValueError,
        asyncio.CancelledError,
        list,
    ]
    assert await joined.do([5]) == [25]
