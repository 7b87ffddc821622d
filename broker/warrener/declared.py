"""A task as its workers declare it to others, who have not its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One task as its workers declare it. Schemas are JSON Schema."""

    name: str
    queue: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    priority: int | None = None
    keyed: bool = False
    """True if it has a limit for each key."""
    key: str | None = None
    """The parameter by which that counts."""
    unique: dict[str, Any] | None = None
    """What makes its jobs unique: by, expires, on_duplicate."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of those defaults that are secret, of the parameters that its keys are made of."""
