"""What RabbitMQ could not deliver: from which queue it came, and why, as far as its headers tell.

It comes to `warrener.undelivered` by three ways: dead-lettered by a work queue (rejected by somebody else,
delivered too often), unroutable at the end of the delay ladder, or unroutable on its way to a dead queue.
"""

from __future__ import annotations

from typing import Any

from aiormq import spec

from warrener.errors import QueueNameError
from warrener.messages import Foreign, Malformed, Message, decode
from warrener.topology import RUNGS, check_queue_name

_WHY = {
    "rejected": "it was rejected by something other than Warrener",
    "delivery_limit": "it was delivered too often without being settled",
    "maxlen": "the queue was full",
    "expired": "it expired in its queue, by a policy that Warrener does not set",
}


def read(
    routing_key: str, properties: spec.Basic.Properties, body: bytes, namespace: str
) -> tuple[Message | Malformed, str, str]:
    """The message, the work queue that it was meant for ('' if nobody can tell), and why it came."""
    queue, reason = _origin(properties, routing_key, namespace)
    found = decode(properties, body)
    if isinstance(found, Foreign):
        # Adopted, it would go back to where it came from.
        message = found.message
        why = f"{reason}, and it has no id"
        found = Malformed(why, message.body, message.extra, None, message.task)
    return found, queue, reason


def _origin(properties: spec.Basic.Properties, routing_key: str, namespace: str) -> tuple[str, str]:
    headers: dict[str, Any] = dict(properties.headers or {})
    first_reason, first_queue = (
        headers.get("x-first-death-reason"),
        headers.get("x-first-death-queue"),
    )
    words = routing_key.split(".")
    delayed = len(words) > RUNGS and set(words[:RUNGS]) <= {"0", "1"}
    meant_for = ".".join(words[RUNGS:]) if delayed else routing_key
    if "dead_queue" in headers:
        return _valid(str(headers["dead_queue"]), namespace), "its dead queue was missing"
    if (
        isinstance(first_reason, str)
        and first_reason in _WHY
        and _valid(str(first_queue), namespace)
    ):
        return str(first_queue), _WHY[first_reason]
    return _valid(meant_for, namespace), f"no queue called {meant_for!r} was bound when it was due"


def _valid(queue: str, namespace: str) -> str:
    try:
        return check_queue_name(queue, namespace)
    except QueueNameError:
        return ""
