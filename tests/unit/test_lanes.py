"""Lanes: how many items are under way, and when the rest is given up."""

import asyncio

import pytest

from warrener.errors import ConfigurationError, QueueNotFound, WarrenerError
from warrener.lanes import Lanes

AWAY = ConfigurationError(message="away")


def hopeless(error: WarrenerError) -> WarrenerError | None:
    return AWAY if isinstance(error, ConfigurationError) else None


async def test_all_are_done_and_never_more_than_the_width_at_once() -> None:
    under_way = most = 0

    async def do(item: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        if item % 2:
            raise QueueNotFound(queue=str(item))

    answers = await Lanes(do, hopeless, 7).run(range(100))
    assert most == 7
    assert [getattr(answer, "queue", None) for answer in answers] == [
        str(n) if n % 2 else None for n in range(100)
    ]


async def test_an_items_clock_starts_at_its_turn() -> None:
    freed, both = asyncio.Event(), asyncio.Event()
    started: list[int] = []

    async def do(item: int) -> None:
        started.append(item)
        if len(started) == 2:
            both.set()
        await freed.wait()

    running = asyncio.create_task(Lanes(do, hopeless, 2).run(range(4)))
    await both.wait()
    assert started == [0, 1]
    freed.set()
    assert await running == [None] * 4
    assert started == [0, 1, 2, 3]


async def test_what_is_left_is_given_up_once_nobody_answers() -> None:
    tried: list[int] = []

    async def do(item: int) -> None:
        tried.append(item)
        await asyncio.sleep(0)
        raise ConfigurationError(message=f"no answer to {item}")

    answers = await Lanes(do, hopeless, 3).run(range(1000))
    assert tried == [0, 1, 2]
    assert [str(answer) for answer in answers[:3]] == [f"no answer to {n}" for n in range(3)]
    assert answers[3:] == [AWAY] * 997


async def test_one_that_fails_while_others_are_answered_does_not_give_up_the_rest() -> None:
    answered = asyncio.Event()

    async def do(item: int) -> None:
        if item == 0:
            await answered.wait()
            raise ConfigurationError(message="too slow")
        answered.set()

    first, *others = await Lanes(do, hopeless, 2).run(range(10))
    assert str(first) == "too slow"
    assert others == [None] * 9


async def test_a_bug_is_raised_after_the_others_have_ended() -> None:
    done: list[int] = []

    async def do(item: int) -> None:
        if item == 0:
            raise TypeError("a bug")
        done.append(item)

    with pytest.raises(TypeError, match="a bug"):
        await Lanes(do, hopeless, 2).run(range(5))
    assert done == [1, 2, 3, 4]


async def test_nothing_to_do_is_done() -> None:
    async def do(item: int) -> None: ...

    assert await Lanes(do, hopeless, 2).run([]) == []
