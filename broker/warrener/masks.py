"""The masks of tasks whose workers have published which of their arguments are secret."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from .catalogue import Catalogue
from .dead_letters import DeadLetter
from .declared import CatalogueEntry
from .masking import HIDDEN, has_secrets, hidden, hidden_body, hidden_positional
from .settings import Settings
from .store import Store

MEMORY = 5.0
"""Seconds for which it is believed what a task takes."""


class Masks:
    """Puts masks on. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._catalogue = Catalogue(settings, store)
        self._known: dict[str, tuple[float, CatalogueEntry | None]] = {}

    async def _schema(self, task: str) -> dict[str, Any] | None:
        """The schema of a task's arguments, if any of them is secret."""
        now = time.monotonic()
        since, entry = self._known.get(task, (now - MEMORY, None))
        if now - since >= MEMORY:
            if len(self._known) > 1000:  # anybody can send messages of any number of tasks
                self._known.clear()
            entry = await self._catalogue.find(task)
            if entry is not None and not has_secrets(entry.arguments):
                entry = None
            self._known[task] = (now, entry)
        return entry.arguments if entry else None

    async def letters(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Letters as anybody may read them."""
        found = []
        for letter in letters:
            schema = await self._schema(letter.task)
            found.append(letter if schema is None else _masked(letter, schema))
        return found

    async def arguments(
        self, task: str, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call as anybody may read them."""
        schema = await self._schema(task)
        if schema is None:
            return list(args), kwargs
        return hidden_positional(args, schema), hidden(kwargs, schema)


def _masked(letter: DeadLetter, schema: dict[str, Any]) -> DeadLetter:
    body = hidden_body(letter.body, schema)
    # One that is shown as a whole stays one that is.
    whole = letter.size == len(letter.body.encode()) and body != HIDDEN
    return replace(letter, body=body, size=len(body.encode()) if whole else letter.size)
