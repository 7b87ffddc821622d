"""The index of dead letters in the store: a view, for listings and searches, that can be rebuilt from the
dead queues, which alone hold the letters."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .dead_letters import DeadLetter
from .letter_details import packed, unpacked
from .letter_lines import died_at, line_of, parse_line, wanted_text
from .letter_paging import Page, Paging
from .masks import Masks
from .selecting import ALL, MOST, Selection
from .settings import Settings
from .store import Call, Store
from .transitions import Reply

LOOKED_AT = 5000
"""Letters that one script looks at: about 10 ms, in which Redis does nothing else."""
PATIENCE = 0.1
"""Seconds after which somebody who waits for a page is told how far it is."""
CAUSES_LOOKED_AT = 500
LISTED = ("order", "lines", "details", "causes")
"""The keys that list a queue's letters."""


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one cause. `first` and `last` are the times of death of the oldest and the newest."""

    id: str
    type: str
    frame: str
    task: str
    """Of the newest letter, as `message`, `newest`, its id, and `queue`."""
    message: str
    newest: str
    queue: str
    count: int
    first: float
    last: float


class DeadLetterIndex:
    """The index of one namespace. Every method raises StoreUnavailable while Redis is away. Where there is
    `patience`, that is in seconds of the clock `steady`: what takes longer is cut short, and says so."""

    def __init__(
        self, settings: Settings, store: Store, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._steady = steady
        self._prefix = settings.namespace
        self._masks = Masks(settings, store)

    def _key(self, queue: str, what: str) -> str:
        # The braces keep a queue's keys in one slot of a Redis Cluster.
        return f"{self._prefix}:dead:{{{queue}}}:{what}"

    def _keys(self, queue: str, *what: str) -> tuple[str, ...]:
        return tuple(self._key(queue, one) for one in what)

    @property
    def _queues(self) -> str:
        return f"{self._prefix}:dead-queues"

    # Keeping it ----------------------------------------------------------------------------------

    async def add(self, letters: Iterable[DeadLetter]) -> None:
        """List these letters; those that are listed already, as they are now."""
        by_queue: dict[str, list[str | bytes | int | float]] = defaultdict(list)
        for letter in await self._masks.letters(letters):
            by_queue[letter.queue] += [letter.id, line_of(letter), packed(letter)]
        if by_queue:
            async with self._store.reachable():
                await self._store.client.sadd(self._queues, *by_queue)
            await self._store.call(
                [
                    Call("letters/add", self._keys(queue, *LISTED), tuple(facts))
                    for queue, facts in by_queue.items()
                ]
            )

    async def remove(self, queue: str, ids: Sequence[str], became: str = "") -> int:
        """List these letters no longer; of how many that was true. What `became` of them, if it is said,
        is counted."""
        if not ids:
            return 0
        keys = self._keys(queue, *LISTED, "counts")
        [[gone, *_]] = await self._store.call([Call("letters/remove", keys, (became, *ids))])
        return int(gone)

    async def tidy(self, queue: str) -> int:
        """Take out of the queue's order what no listed letter stands behind; of how many that was true."""
        keys, behind, removed = self._keys(queue, "order", "lines"), b"-", 0
        while behind:
            [[last, gone]] = await self._store.call(
                [Call("letters/tidy", keys, (behind, LOOKED_AT))]
            )
            behind, removed = last and b"(" + last, removed + int(gone)
        return removed

    # Asking it -----------------------------------------------------------------------------------

    async def queues(self) -> list[str]:
        """The queues that have had dead letters."""
        async with self._store.reachable():
            found: Any = await self._store.client.smembers(self._queues)
        return sorted(name.decode() for name in found)

    async def count(self, queue: str, selection: Selection = ALL) -> int:
        """How many letters of a queue are listed, or how many of those that are selected."""
        if selection == ALL:
            async with self._store.reachable():
                return int(await self._store.client.zcard(self._key(queue, "order")))
        return sum(group.count for group in await self.groups([queue], selection))

    async def became(self, queue: str) -> dict[str, int]:
        """How many letters of a queue have been replayed, discarded or dropped by age."""
        async with self._store.reachable():
            found: Any = await self._store.client.hgetall(self._key(queue, "counts"))
        return {name.decode(): int(number) for name, number in found.items()}

    async def ids(self, queue: str) -> list[str]:
        """The ids of all letters of a queue."""
        async with self._store.reachable():
            found: Any = await self._store.client.hkeys(self._key(queue, "lines"))
        return [name.decode() for name in found]

    async def search(
        self,
        queues: Sequence[str],
        selection: Selection = ALL,
        *,
        cursor: str = "",
        size: int = 100,
        patience: float = math.inf,
    ) -> Page:
        """A page of the selected letters of these queues, the newest first. What dies while pages are read
        is on none of them, and moves none. Raises ValueError for a cursor that is none."""
        high, (low, end) = bytes.fromhex(cursor), selection.times
        paging = Paging(queues, min(high, end) if high else end, size)
        most = max(size + 1, LOOKED_AT // max(1, len(queues)))
        ends = self._steady() + patience
        while (queue := paging.queue) and not (paging.may_end and self._steady() >= ends):
            bounds = (b"(" + paging.place(queue), b"[" + low)
            words = (*bounds, most, size + 1, *_conditions(selection))
            call = Call("letters/scan", self._keys(queue, "order", "lines"), words)
            [[last, *facts]] = await self._store.call([call])
            pairs = zip(*[iter(facts)] * 2, strict=True)
            found = [(place, parse_line(line, place[12:].decode(), queue)) for place, line in pairs]
            paging.looked(queue, last, found)
        return paging.page()

    async def groups(self, queues: Sequence[str], selection: Selection = ALL) -> list[Group]:
        """The selected letters of these queues grouped by cause, the largest group first."""
        return (await self.tally(queues, selection))[0]

    async def tally(
        self, queues: Sequence[str], selection: Selection = ALL, patience: float = math.inf
    ) -> tuple[list[Group], bool]:
        """The same, and whether that is all of them."""
        found: dict[str, Group] = {}
        ends, whole = self._steady() + patience, True
        for queue in queues:
            async for behind, *facts in self._tallies(queue, selection):
                for cause, count, oldest, newest, line in zip(*[iter(facts)] * 5, strict=True):
                    group = _group(queue, int(count), oldest, newest, line)
                    name = cause.decode()
                    found[name] = _together(found[name], group) if name in found else group
                if behind and self._steady() >= ends:
                    whole = False
                    break
        return sorted(found.values(), key=lambda group: (-group.count, -group.last)), whole

    async def find(self, letter_id: str, queues: Sequence[str] | None = None) -> DeadLetter | None:
        """One letter in full, or None."""
        for queue in await self.queues() if queues is None else queues:
            if found := await self.find_many(queue, [letter_id]):
                return found[0]
        return None

    async def find_many(self, queue: str, ids: Sequence[str]) -> list[DeadLetter]:
        """These letters of a queue in full, as far as they are listed."""
        if not ids:
            return []
        async with self._store.reachable():
            found: Any = await self._store.client.hmget(self._key(queue, "details"), list(ids))
        return [unpacked(text) for text in found if text]

    async def lines(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        """The lines of these letters of a queue; None for one that is not listed."""
        if not ids:
            return []
        async with self._store.reachable():
            found: Any = await self._store.client.hmget(self._key(queue, "lines"), list(ids))
        return list(found)

    async def page(self, queue: str, size: int = 100) -> list[DeadLetter]:
        """The newest letters of a queue in full."""
        lines = (await self.search([queue], size=size)).letters
        return await self.find_many(queue, [line.id for line in lines])

    # How it is asked -----------------------------------------------------------------------------

    async def _tallies(self, queue: str, selection: Selection) -> AsyncIterator[Reply]:
        """The facts of each cause; of causes that come in several answers, each has a part."""
        low, end = selection.times
        keys = self._keys(queue, "order", "lines", "causes")
        if not selection.is_of_times_alone:
            upper = end
            while upper:
                words = (b"(" + upper, b"[" + low, LOOKED_AT, *_conditions(selection))
                [reply] = await self._store.call([Call("letters/tally", keys[:2], words)])
                yield reply
                upper = reply[0]
            return
        behind = b"-"
        while behind:
            bounds = (b"(" + end, b"[" + low, behind, CAUSES_LOOKED_AT)
            [reply] = await self._store.call([Call("letters/groups", keys, bounds)])
            yield reply
            behind = reply[0] and b"(" + reply[0]


def _conditions(selection: Selection) -> tuple[Any, ...]:
    """As conditions() in scripts/letters/ takes them."""
    one, ids = selection, sorted(selection.ids)
    bounds = (one.min_attempts, one.max_attempts, one.min_replays, one.max_replays)
    counted = bounds != (0, MOST, 0, MOST)
    return (wanted_text(one.text or ""), *bounds, int(counted), len(ids), *ids, *one.pieces)


def _group(queue: str, count: int, oldest: bytes, newest: bytes, line: bytes) -> Group:
    one = parse_line(line, newest[12:].decode(), queue)
    return Group(
        id=one.cause,
        type=one.type,
        frame=one.frame,
        task=one.task,
        message=one.message,
        newest=one.id,
        queue=queue,
        count=count,
        first=died_at(oldest),
        last=died_at(newest),
    )


def _together(one: Group, other: Group) -> Group:
    newer = one if one.last >= other.last else other
    return replace(newer, count=one.count + other.count, first=min(one.first, other.first))
