"""Reading what another version wrote: fields that this one does not know are left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def known(kind: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the found fields that the dataclass `kind` has."""
    names: frozenset[str] = _names(kind)
    return {name: value for name, value in found.items() if name in names}


def _names(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))
