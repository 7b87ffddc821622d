"""Forms that pages send."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import Request

from ..problems import BadRequest

LONGEST = 1_000_000
"""Bytes: arguments that are edited may be long."""


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of several of one name, the last. Raises BadRequest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            raise BadRequest(413, "payload-too-large", f"A form has at most {LONGEST} bytes.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}
