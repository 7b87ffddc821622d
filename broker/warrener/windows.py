"""How much is published at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .outgoing import Outgoing

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
