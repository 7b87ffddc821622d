"""How much is published at a time, and what waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from .errors import WarrenerError
from .outgoing import Outgoing

Answers = list[WarrenerError | None]
"""For each message in order: None, or what was wrong."""
Publish = Callable[[Sequence[Outgoing]], Awaitable[Answers]]

IN_FLIGHT = 1000
"""How many messages of one call wait for their confirms at a time: enough for the broker's full speed,
and few enough that the last of them is confirmed long before its deadline."""

BYTES_IN_FLIGHT = 8 * 2**20
"""Of their bodies, after which no more are added: they are held in memory twice while they are written."""


def windows(outgoing: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    """These in order, as many at a time as may wait for their confirms."""
    window: list[Outgoing] = []
    size = 0
    for one in outgoing:
        window.append(one)
        size += len(one.message.body)
        if len(window) >= IN_FLIGHT or size >= BYTES_IN_FLIGHT:
            yield window
            window, size = [], 0
    if window:
        yield window


async def in_turn(
    outgoing: Sequence[Outgoing],
    *,
    publish: Publish,
    for_the_rest: Callable[[WarrenerError], WarrenerError | None],
) -> Answers:
    """Publish one window after the other. Once a whole one fails with errors that say something
    `for_the_rest`, the rest is not tried."""
    faults: Answers = []
    for window in windows(outgoing):
        some = await publish(window)
        faults += some
        hopeless = [for_the_rest(fault) if fault else None for fault in some]
        if None not in hopeless:
            faults += hopeless[-1:] * (len(outgoing) - len(faults))
            break
    return faults


async def each_queue(outgoing: Sequence[Outgoing], publish: Publish) -> Answers:
    """Publish those to each queue side by side: one answer for each message, in order."""
    queues: dict[tuple[str, bool], list[int]] = {}
    for place, one in enumerate(outgoing):
        queues.setdefault((one.queue, one.dead), []).append(place)
    if len(queues) < 2:
        return await publish(outgoing)
    parts = [publish([outgoing[place] for place in places]) for places in queues.values()]
    faults: Answers = [None] * len(outgoing)
    answers = await asyncio.gather(*parts, return_exceptions=True)
    for places, answer in zip(queues.values(), answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        for place, fault in zip(places, answer, strict=True):
            faults[place] = fault
    return faults
