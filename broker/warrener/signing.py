"""Signed messages: whoever can publish to RabbitMQ but has no key can neither make a job, nor alter one,
nor move it to another task or queue. docs/protocol.md states the signed bytes for other languages.

An old message that is published again as it was is still signed. It falls at the claim, like any second
copy, as long as the record of its job lives.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from .messages import Foreign, Malformed, Message, to_ms
from .settings import Settings

HEADER = "signature"
VERSION = "warrener-signature-1"
WORKFLOW_VERSION = "warrener-signature-1w"


class Signer:
    """Signs with the first of the settings' keys, and takes what any of them signed."""

    def __init__(self, settings: Settings) -> None:
        pairs = settings.signing_keys.get_secret_value().split(",")
        keys = [pair.strip().partition(":") for pair in pairs]
        self._keys = {key_id: secret.encode() for key_id, _, secret in keys}
        self._current = next(iter(self._keys))

    def seal(self, message: Message, place: str) -> Message:
        """The message with its signature for the queue `place`."""
        extra = {**message.extra, HEADER: self._signature(self._current, message, place)}
        return message._replace(extra=extra)

    def check(
        self, found: Message | Foreign | Malformed, place: str
    ) -> Message | Foreign | Malformed:
        """What was found in the queue `place`, if it is signed for that; or else what is wrong."""
        if isinstance(found, Malformed):
            return found
        if isinstance(found, Foreign):
            # Without an id there is nothing by which a second copy would be known.
            message, reason = found.message, "a signed message needs a job id (correlation_id)"
        else:
            message, reason = found, self._fault(found, place)
        if not reason:
            return message
        # Its letter carries no signature: one that is valid somewhere else might be valid there.
        rest = {name: value for name, value in message.extra.items() if name != HEADER}
        bare = message._replace(extra=rest)
        return Malformed(reason, bare.body, rest, bare.job_id or None, bare.task, bare)

    def _fault(self, message: Message, place: str) -> str:
        given = message.extra.get(HEADER)
        if given is None:
            return (
                f"it is not signed: it has no header {HEADER!r}, and WARRENER_SIGNING_KEYS is set"
            )
        if not isinstance(given, str):
            return f"its header {HEADER!r} is no text"
        key_id = given.partition(":")[0]
        if key_id not in self._keys:
            shown = key_id[:32]
            return f"it is signed with the key {shown!r}, which is not in WARRENER_SIGNING_KEYS"
        expected = self._signature(key_id, message, place)
        # As bytes: compare_digest takes no text beyond ASCII.
        if hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
            return ""
        return f"its signature does not fit: it was altered, or signed for another queue than {place!r}"

    def _signature(self, key_id: str, message: Message, place: str) -> str:
        digest = hmac.digest(self._keys[key_id], signed_bytes(message, place), "sha256")
        return f"{key_id}:{digest.hex()}"


def signed_bytes(message: Message, place: str) -> bytes:
    """What a signature covers. The task's name may hold line ends; all other lines do not, and their
    number is fixed by the first, so that no two messages have the same bytes."""
    facts: list[Any] = [
        *([WORKFLOW_VERSION, message.workflow] if message.workflow else [VERSION]),
        place,
        message.job_id,
        message.attempt,
        message.generation,
        "" if message.due is None else to_ms(message.due),
        "" if message.expires is None else to_ms(message.expires),
        message.task,
        hashlib.sha256(message.body).hexdigest(),
    ]
    return "\n".join(map(str, facts)).encode("utf-8", "backslashreplace")
