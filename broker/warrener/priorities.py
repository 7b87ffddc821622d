"""Priorities of jobs: what each broker has, and what of it may climb the delay ladder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import PrioritiesUnsupported
from .settings import Settings

QUORUM_HAS_THEM = (4, 0)
LADDER_KEEPS_THEM = (4, 3)
"""From here on a quorum queue lets each priority expire for itself. On 4.0.5 a rung with two messages of
high priority in five held others for 6.7 s instead of 1.6, and longer the longer that went on."""


def version_of(server_properties: Mapping[str, Any]) -> tuple[int, ...]:
    """The broker's version, such as (3, 10); empty if it does not say."""
    said = server_properties.get("version", "")
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    parts = text.split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def check_broker(settings: Settings, version: tuple[int, ...]) -> None:
    """Raise PrioritiesUnsupported if they are wanted and this broker's queues have none."""
    if settings.max_priority and settings.queue_type == "quorum" and version < QUORUM_HAS_THEM:
        raise PrioritiesUnsupported(version=".".join(map(str, version)) or "of unknown version")


def may_climb(settings: Settings, version: tuple[int, ...]) -> bool:
    """True if a message in the delay ladder may have its priority: rungs that order by it must not let
    one message wait for another's time."""
    return settings.queue_type == "classic" or version >= LADDER_KEEPS_THEM
