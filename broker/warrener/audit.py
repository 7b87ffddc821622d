"""The audit trail: who did what to which messages, and when. Redis keeps the last 10,000 entries,
on a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from .settings import Settings
from .store import Store

KEPT = 10_000
"""Entries; Redis may keep some more, until it drops a block of them at once."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed. `id` sorts by time and begins with it, in Unix milliseconds; `facts` say to what it
    was done and with what outcome."""

    id: str
    who: str
    what: str
    facts: dict[str, Any]

    @property
    def at(self) -> float:
        """When, in Unix seconds."""
        return int(self.id.partition("-")[0]) / 1000

    @property
    def brief(self) -> tuple[str, str, str]:
        """The queue, which letters, and why; of many ids the first, and how many there are."""
        queue, why, ids = (self.facts.get(name) for name in ("queue", "reason", "ids"))
        which = self.facts.get("selection") or ""
        if isinstance(ids, list) and ids:
            which = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
        text = which if isinstance(which, str) else to_json(which).decode()
        return str(queue or ""), text, str(why or "")


class AuditTrail:
    """Reads and writes the trail. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._key = f"{settings.namespace}:audit"

    async def write(self, who: str, what: str, facts: Mapping[str, Any]) -> None:
        """Add an entry."""
        fields: Any = {"who": who, "what": what, "facts": to_json(facts)}
        async with self._store.reachable():
            await self._store.client.xadd(self._key, fields, maxlen=KEPT, approximate=True)

    async def read(self, size: int = 100, before: str = "") -> list[AuditEntry]:
        """The newest entries, or those before the one of this id."""
        async with self._store.reachable():
            found: Any = await self._store.client.xrevrange(
                self._key, max=f"({before}" if before else "+", count=size
            )
        return [
            AuditEntry(
                entry.decode(),
                fields[b"who"].decode(),
                fields[b"what"].decode(),
                from_json(fields[b"facts"]),
            )
            for entry, fields in found
        ]
