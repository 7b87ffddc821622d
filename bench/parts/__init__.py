"""The parts of the bench: each has BARS, and a measure() that answers figures and what is held against
them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bars import Bar, Found
from ..rounds import Run
from . import (
    chord,
    classic,
    delayed,
    depth,
    drain,
    http,
    idle,
    latency,
    memory,
    naps,
    pair,
    send,
)


@dataclass(frozen=True)
class Part:
    """One part."""

    bars: Sequence[Bar]
    measure: Callable[[Run], Found]


PARTS = {
    module.__name__.rpartition(".")[2]: Part(module.BARS, module.measure)
    for module in (
        drain,
        classic,
        latency,
        naps,
        send,
        http,
        delayed,
        chord,
        memory,
        idle,
        pair,
        depth,
    )
}
"""By name, in the order in which they run and their bars are told."""
