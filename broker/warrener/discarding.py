"""Discarding dead letters: the record says so, the list forgets the letter, and the dead queue lets
it go. The job stays FAILURE."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from . import transitions
from .client import Client
from .letter_index import DeadLetterIndex
from .walking import Fate, Letter, Work


class Discard(Work):
    """Removes dead letters for good. `became` is what they are counted as: discarded, or expired by age."""

    def __init__(
        self, client: Client, queue: str, by: str, reason: str, became: str = "discarded"
    ) -> None:
        self._client = client
        self._queue = queue
        self._by = by
        self._reason = reason
        self._became = became
        self._index = DeadLetterIndex(client.settings, client.store)

    def fault(self, letter: Letter) -> str:
        """Any letter can be discarded."""
        return ""

    async def do(self, letters: Sequence[Letter]) -> list[Fate]:
        """Discard these letters."""
        now, ttl = self._client.clock(), self._client.settings.dedupe_ttl
        fact = orjson.dumps({"at": now, "by": self._by, "reason": self._reason})
        named = [one for one in letters if one.facts.job_id and not one.unclaimed]
        moves = [
            transitions.discard(one.facts.job_id, one.facts.generation, fact, ttl) for one in named
        ]
        replies = await self._client.store.apply(moves) if moves else []
        answers = {id(one): reply[0] for one, reply in zip(named, replies, strict=True)}
        fates = [_fate(letter, answers.get(id(letter), b"ok")) for letter in letters]
        gone = [fate.letter.facts.id for fate in fates if not fate.fault]
        await self._index.remove(self._queue, gone, self._became)
        return fates


def _fate(letter: Letter, answer: bytes) -> Fate:
    if answer == b"open":
        fault = (
            f"Letter {letter.facts.id!r} stays: its job has not ended in the generation in which it "
            "is said to have died, and this may be all there is of it."
        )
        return Fate(letter, fault=fault)
    return Fate(letter, done=answer in (b"ok", b"broken"), already=answer in (b"again", b"beyond"))
