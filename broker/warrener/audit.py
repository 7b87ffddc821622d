"""The audit trail: who did what, and when, to letters, jobs, queues, schedules, workflows, workers. Redis
has the last 10,000 entries, on a stream."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from .errors import StoreUnavailable
from .settings import Settings
from .store import Store

log = logging.getLogger(__name__)

KEPT = 10_000
"""Entries; Redis may keep some more, until it drops a block of them at once."""


KINDS = ("job", "workflow", "schedule", "worker")
"""What is done something to beside queues and letters, as entries name it."""


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
        """The queue, which letters or what else, and why; of many ids the first, and how many there are."""
        queue, why, ids = (self.facts.get(name) for name in ("queue", "reason", "ids"))
        others = (f"{name} {self.facts[name]}" for name in KINDS if name in self.facts)
        which = self.facts.get("selection") or self.facts.get("limits") or next(others, "")
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

    async def note(self, who: str, what: str, **facts: Any) -> None:
        """Add an entry of what is done by now, which stays done without one: the log has it then."""
        try:
            await self.write(who, what, facts)
        except StoreUnavailable as error:
            log.warning("not in the audit trail: %s: %s %s (%s)", who, what, facts, error)

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
