"""Control messages: what every worker is told at once. They make soon what the store says in any case, so
that one may be missed. JSON; of a message that it does not understand, a worker takes no notice."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

LOOK = "look_for_revoked"


def look_for_revoked(job_ids: Sequence[str]) -> bytes:
    """These jobs are asked to end: whoever runs one looks at its record."""
    return orjson.dumps({LOOK: list(job_ids)})


def read(text: bytes) -> list[str]:
    """The jobs to look at; none in a message that is not understood."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    ids = found.get(LOOK) if isinstance(found, dict) else None
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []
