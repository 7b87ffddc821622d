"""Control messages: what every worker is told at once. They make soon what the store says in any case, so
that one may be missed. JSON; of a message that it does not understand, a worker takes no notice."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

LOOK = "look_for_revoked"
LOOK_AT_QUEUES = "look_at_queues"


def look_for_revoked(job_ids: Sequence[str]) -> bytes:
    """These jobs are asked to end: whoever runs one looks at its record."""
    return orjson.dumps({LOOK: list(job_ids)})


def look_at_queues(queues: Sequence[str]) -> bytes:
    """These queues were paused, resumed or limited: whoever consumes them looks at what is set."""
    return orjson.dumps({LOOK_AT_QUEUES: list(queues)})


def is_about_queues(text: bytes) -> bool:
    """True if something was set for queues."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and LOOK_AT_QUEUES in found


def read(text: bytes) -> list[str]:
    """The jobs to look at; none in a message that is not understood."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    ids = found.get(LOOK) if isinstance(found, dict) else None
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []
