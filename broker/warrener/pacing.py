"""How fast something may go: so many a second, pure, with the time passed in."""

from __future__ import annotations


class Pace:
    """At most `rate` things in any second; of those, what falls into 0.1 s, or one, at once."""

    def __init__(self, rate: float, now: float) -> None:
        self._most = max(1.0, rate // 10)
        # A full bucket and what flows into it within a second are no more than the rate.
        self._flow = rate - self._most + 1.0
        self._room = 1.0
        self._at = now

    def room(self, now: float) -> int:
        """How many may be done now."""
        self._room = min(self._most, self._room + max(0.0, now - self._at) * self._flow)
        self._at = now
        return int(self._room + 1e-9)

    def spend(self, count: int) -> None:
        """So many were done."""
        self._room -= count

    def wait(self, now: float) -> float:
        """Seconds until one may be done."""
        return 0.0 if self.room(now) else (1.0 - self._room) / self._flow
