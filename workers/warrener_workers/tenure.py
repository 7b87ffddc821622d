"""How long what this worker has claimed is surely its own."""

from __future__ import annotations

import time
from collections.abc import Callable


class Tenure:
    """Between two renewals of a presence that follow each other in time, nobody takes over what this worker
    has claimed. A worker that was stopped, or could not reach Redis for longer, is in a new tenure once it
    renews its presence again, and claims of the one before may be somebody else's by then.

    It is asked, not told: the timers of a process that was stopped come too late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.number = 0
        self._clock = clock
        self._until = float("-inf")

    def renewed(self, until: float) -> None:
        """The presence has been renewed just now, and is seen until then, by the monotonic clock."""
        if self._clock() > self._until:
            self.number += 1
        self._until = until

    def covers(self, number: int) -> bool:
        """True if what was claimed in this tenure is surely still this worker's."""
        return number == self.number and self._clock() < self._until
