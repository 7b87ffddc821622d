"""Doing one thing to many items side by side, with a bound on how many are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from .errors import WarrenerError

T = TypeVar("T")


class Lanes(Generic[T]):
    """Items are done in lanes, each lane one after the other: what is under way is bounded, and the
    deadline of each item begins at its turn.

    `hopeless` says what the items that are left are to be told after such an error, or None if the error
    says nothing of them. They are given up once an item has failed so while no other was answered: each
    of them would wait for its own deadline, and a long list for hours.
    """

    def __init__(
        self,
        do: Callable[[T], Awaitable[None]],
        hopeless: Callable[[WarrenerError], WarrenerError | None],
        width: int,
    ) -> None:
        self._do = do
        self._hopeless = hopeless
        self._width = width
        self._answered = 0
        self._given_up: WarrenerError | None = None

    async def run(self, items: Sequence[T]) -> list[WarrenerError | None]:
        """One answer for each item, in order: None, or what was wrong."""
        if len(items) == 1:
            return [await self._turn(items[0])]
        answers: list[WarrenerError | None] = [None] * len(items)
        places = iter(range(len(items)))

        async def lane() -> None:
            for place in places:
                answers[place] = self._given_up or await self._turn(items[place])

        lanes = (lane() for _ in range(min(self._width, len(items))))
        for bug in await asyncio.gather(*lanes, return_exceptions=True):
            if bug is not None:
                raise bug
        return answers

    async def _turn(self, item: T) -> WarrenerError | None:
        before = self._answered
        try:
            await self._do(item)
        except WarrenerError as error:
            for_the_rest = self._hopeless(error)
            if for_the_rest is None:
                self._answered += 1
            elif self._answered == before:
                self._given_up = for_the_rest
            return error
        self._answered += 1
        return None
