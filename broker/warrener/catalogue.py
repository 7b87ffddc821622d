"""Which tasks the workers know, on which queues and with which arguments: published to the store by
each worker, so that producers can send by name without importing the tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import NoReturn

import orjson

from .declared import CatalogueEntry
from .errors import StoreUnavailable
from .fields import known
from .settings import Settings
from .store import Store

AGAIN = 60.0
"""Seconds after which a worker publishes its tasks again."""


class Catalogue:
    """Reads and writes the entries. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._key = f"{settings.namespace}:tasks"

    async def publish(self, entries: Iterable[CatalogueEntry]) -> None:
        """Add or replace these entries."""
        texts = {entry.name: orjson.dumps(asdict(entry)) for entry in entries}
        if texts:
            async with self._store.reachable():
                await self._store.client.hset(self._key, mapping=texts)  # type: ignore[arg-type]

    async def keep_published(self, entries: Sequence[CatalogueEntry]) -> NoReturn:
        """Publish them again and again: a Redis may forget, and views would show what is secret."""
        while True:
            await asyncio.sleep(AGAIN)
            with suppress(StoreUnavailable):
                await self.publish(entries)

    async def find(self, task: str) -> CatalogueEntry | None:
        """The entry of one task, or None."""
        async with self._store.reachable():
            text = await self._store.client.hget(self._key, task)
        return _entry(text) if text else None

    async def all(self) -> list[CatalogueEntry]:
        """All entries, by name."""
        async with self._store.reachable():
            texts = await self._store.client.hvals(self._key)
        return sorted(map(_entry, texts), key=lambda entry: entry.name)


def _entry(text: bytes | str) -> CatalogueEntry:
    return CatalogueEntry(**known(CatalogueEntry, orjson.loads(text)))
