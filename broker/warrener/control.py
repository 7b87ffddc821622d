"""Control messages: what every worker is told at once. They make soon what the store says in any case, so
that one may be missed. JSON; of a message that it does not understand, a worker takes no notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

LOOK = "look_for_revoked"
LOOK_AT_QUEUES = "look_at_queues"
PING = "ping"


def look_for_revoked(job_ids: Sequence[str]) -> bytes:
    """These jobs are asked to end: whoever runs one looks at its record."""
    return orjson.dumps({LOOK: list(job_ids)})


def look_at_queues(queues: Sequence[str]) -> bytes:
    """These queues were paused, resumed or limited: whoever consumes them looks at what is set."""
    return orjson.dumps({LOOK_AT_QUEUES: list(queues)})


def ping(token: str) -> bytes:
    """Whoever hears it says so, under this token."""
    return orjson.dumps({PING: token})


def is_about_queues(text: bytes) -> bool:
    """True if something was set for queues."""
    return LOOK_AT_QUEUES in _facts(text)


def token_of_ping(text: bytes) -> str:
    """The token of a ping; empty of anything else."""
    token = _facts(text).get(PING)
    return token if isinstance(token, str) else ""


def read(text: bytes) -> list[str]:
    """The jobs to look at; none in a message that is not understood."""
    ids = _facts(text).get(LOOK)
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []


def _facts(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
