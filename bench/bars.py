"""The bars: what figures are held against, and the lines that say how they stand."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OURS = "Warrener (fast)"
PEERS = ("Dramatiq", "Taskiq", "FastStream")
Rounds = Sequence[float | None]
"""A figure of each round, in turn; None where a side had none."""
Judged = tuple[float | None, str]
"""What is held against a bar, if there is something, and how it is said."""
NOT_MEASURED: Judged = (None, "not measured in this run")


@dataclass(frozen=True)
class Bar:
    """What one figure must be, at least or at most; with neither it is only shown."""

    name: str
    least: float | None = None
    most: float | None = None

    def line(self, value: float | None, words: str) -> str:
        """How it stands."""
        return f"{self._verdict(value):7}  {self.name}: {words}"

    def _verdict(self, value: float | None) -> str:
        if value is None:
            return "unknown"
        if self.least is None and self.most is None:
            return "shown"
        low = self.least is not None and value < self.least
        high = self.most is not None and value > self.most
        return "not met" if low or high else "met"


@dataclass
class Found:
    """What a part has found. A table is columns by name, each with the figures of all rounds for each row;
    series are lines to plot."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    judged: dict[Bar, Judged] = field(default_factory=dict)

    def table(self, title: str, columns: Mapping[str, Mapping[str, Rounds]], **more: Any) -> None:
        """Add one; what was not there is left out."""
        there = {
            column: {row: found for row, each in rows.items() if (found := present(each))}
            for column, rows in columns.items()
        }
        self.tables[title] = {"columns": there, **more}


def present(each: Rounds) -> list[float]:
    """Those that are there."""
    return [one for one in each if one is not None]


def ratio(ours: Rounds, theirs: Rounds, name: str = "") -> Judged:
    """The median of ours against theirs, round by round, and the range in words."""
    both = zip(ours, theirs, strict=False)
    each = [a / b for a, b in both if a is not None and b is not None and b > 0]
    if not each:
        return NOT_MEASURED
    middle = statistics.median(each)
    times = f"× {name}" if name else "×"
    spread = f"{min(each):.2f} – {max(each):.2f}, {len(each)} rounds" if each[1:] else "1 round"
    return middle, f"{middle:.2f} {times} ({spread})"


def against_fastest(ours: Rounds, peers: Mapping[str, Rounds]) -> Judged:
    """The ratio to the peer against which it is the lowest."""
    found = [ratio(ours, theirs, name) for name, theirs in peers.items()]
    known = [one for one in found if one[0] is not None]
    return min(known, key=lambda one: one[0] or 0.0, default=NOT_MEASURED)


def column(rounds: Sequence[Sequence[float] | None], place: int) -> list[float | None]:
    """One figure of each round's several."""
    return [one[place] if one is not None and len(one) > place else None for one in rounds]


def lines(bars: Sequence[Bar], judged: Mapping[Bar, Judged]) -> Iterator[str]:
    """A line for every bar, in the order they are in."""
    for bar in bars:
        yield bar.line(*judged.get(bar, NOT_MEASURED))
