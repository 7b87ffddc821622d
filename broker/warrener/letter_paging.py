"""A page of dead letters from the lists of several queues, each looked through from its newest letter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .letter_lines import LetterLine, died_at

Found = tuple[bytes, LetterLine]
"""A letter, and its place in the order of its queue."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the letters that were asked for, the newest first. `next` continues behind them, and is
    empty when there are no more."""

    letters: list[LetterLine]
    next: str
    cut: float | None = None
    """If it has fewer letters than it might, since looking for more took too long: the time of death of the
    last letter that was looked at."""


class Paging:
    """How far each queue has been looked through, from the first place below `upper`, and what is found."""

    def __init__(self, queues: Iterable[str], upper: bytes, size: int) -> None:
        self._open = dict.fromkeys(queues, upper)
        self._upper = upper
        self._size = size
        self._found: list[Found] = []

    @property
    def queue(self) -> str:
        """The queue that is to be looked through further, or none: where the newest letters may be."""
        if not self._open or len(self._whole()) > self._size:
            return ""
        return max(self._open, key=self._open.__getitem__)

    @property
    def may_end(self) -> bool:
        """True if a page that ends now is further than the one before it."""
        return self._horizon < self._upper

    def place(self, queue: str) -> bytes:
        """Below which place the queue has not been looked through."""
        return self._open[queue]

    def looked(self, queue: str, last: bytes, found: Iterable[Found]) -> None:
        """It was looked through as far as the `last` place, or, if that is empty, to its end."""
        self._found += found
        if last:
            self._open[queue] = last
        else:
            del self._open[queue]

    def page(self) -> Page:
        """The page, as far as all queues have been looked through."""
        whole = sorted(self._whole(), key=lambda one: one[0], reverse=True)
        letters = [line for _, line in whole[: self._size]]
        if len(whole) > self._size:
            return Page(letters, whole[self._size - 1][0].hex())
        if self._open:
            return Page(letters, self._horizon.hex(), died_at(self._horizon))
        return Page(letters, "")

    @property
    def _horizon(self) -> bytes:
        return max(self._open.values(), default=b"")

    def _whole(self) -> list[Found]:
        """What was found where every queue has been looked through."""
        return [one for one in self._found if one[0] >= self._horizon]
