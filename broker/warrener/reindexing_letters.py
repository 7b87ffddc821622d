"""Making the index of dead letters anew, from the dead queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .client import Client
from .letter_index import DeadLetterIndex
from .walking import Fate, Letter, WalkReport, Work


class Reindex(Work):
    """Lists every letter that it meets. finish() then forgets what the queue no longer holds."""

    def __init__(self, client: Client, queue: str) -> None:
        self._index = DeadLetterIndex(client.settings, client.store)
        self._queue = queue
        self._before: set[str] | None = None
        self._met: set[str] = set()

    def fault(self, letter: Letter) -> str:
        """Every letter can be listed."""
        return ""

    async def do(self, letters: Sequence[Letter]) -> list[Fate]:
        """List these letters; all stay."""
        await self._index.add([replace(one.facts, queue=self._queue) for one in letters])
        self._met |= {one.facts.id for one in letters}
        return [Fate(letter) for letter in letters]

    async def begin(self) -> None:
        """Remember what is listed before the walk begins: that was in the queue by then, and is met, or is
        gone."""
        self._before = set(await self._index.ids(self._queue))

    async def finish(self, report: WalkReport) -> int:
        """Forget what was listed and not met; of how many that was true. Nothing, if the walk did not meet
        all."""
        gone = sorted((self._before or set()) - self._met) if report.whole else []
        removed = 0
        for start in range(0, len(gone), 1000):
            removed += await self._index.remove(self._queue, gone[start : start + 1000])
        # Besides, an index that another version wrote may have what this one never takes out.
        await self._index.tidy(self._queue)
        return removed
