"""The masks of tasks whose workers have published which of their arguments are secret."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from .catalogue import Catalogue
from .dead_letters import DeadLetter
from .masking import HIDDEN, MASK, Schema, has_secrets, hidden_body, hidden_named, hidden_positional
from .settings import Settings
from .store import Store

MEMORY = 5.0
"""Seconds for which it is believed what a task takes."""
_OPEN: Schema = {}
"""Stands for the schemas without a secret."""


class Masks:
    """Puts masks on. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._catalogue = Catalogue(settings, store)
        self._known: dict[str, tuple[float, Schema | None]] = {}

    async def _schema(self, task: str) -> Schema | None:
        """The schema of a task's arguments. None if no worker has published one: each may be secret."""
        now = time.monotonic()
        since, schema = self._known.get(task, (now - MEMORY, None))
        if now - since >= MEMORY:
            if len(self._known) > 1000:  # anybody can send messages of any number of tasks
                self._known.clear()
            entry = await self._catalogue.find(task)
            schema = None if entry is None else entry.arguments
            if schema is not None and not has_secrets(schema):
                schema = _OPEN
            self._known[task] = (now, schema)
        return schema

    async def letters(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Letters as anybody may read them."""
        return [_masked(letter, await self._schema(letter.task)) for letter in letters]

    async def arguments(
        self, task: str, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call as anybody may read them."""
        schema = await self._schema(task)
        if schema is _OPEN:
            return list(args), kwargs
        return hidden_positional(args, schema), hidden_named(kwargs, schema)


def _masked(letter: DeadLetter, schema: Schema | None) -> DeadLetter:
    if schema is _OPEN:
        return letter
    body = hidden_body(letter.body, schema)
    # One that is shown as a whole stays one that is.
    whole = letter.size == len(letter.body.encode()) and body != HIDDEN
    size = len(body.encode()) if whole else letter.size
    shown = replace(letter, body=body, size=size)
    if schema is None and (MASK in body or body == HIDDEN):
        return replace(shown, hidden=_why_hidden(letter))
    return shown


def _why_hidden(letter: DeadLetter) -> str:
    if not letter.task:
        return "it names no task, so that nobody knows which of them are secret"
    return (
        "no worker had published what its task takes when it was listed, so that any may be secret: once "
        f"one has, `warrener dead reindex {letter.queue}` shows those that are not"
    )
