"""How every call is answered: errors as problems, a body read as JSON within a limit, and all in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from warrener import Warrener
from warrener.calls import read_json

from .problems import DEADLINE, BadRequest, problem_of, response_of

log = logging.getLogger(__name__)

ENVELOPE = 16_384
"""Bytes that a request may take beside the arguments themselves."""


def route_class(app: Warrener) -> type[ProblemRoute]:
    """The class of the routes of this app."""
    return type("ProblemRoute", (ProblemRoute,), {"warrener": app})


class ProblemRoute(APIRoute):
    """A route whose errors are problems, also when it is mounted in somebody else's app, and which
    answers within a deadline."""

    warrener: ClassVar[Warrener]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with all of it."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handler(request: Request) -> Response:
            try:
                # Before the deadline, which is RabbitMQ's and Redis's, not the client's.
                if takes_body:
                    limit = self.warrener.settings.max_payload_bytes + ENVELOPE
                    request = await _read(request, limit)
                async with asyncio.timeout(DEADLINE + _asked_to_wait(request)):
                    return await handle(request)
            except Exception as error:
                problem = problem_of(error)
                if problem.status == 500:
                    log.exception("%s %s failed", request.method, request.url.path)
                return response_of(problem, error)

        return handler


class _JsonRequest(Request):
    """A request whose body has been read."""

    def __init__(self, request: Request, body: bytes, content: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._read_body = body
        self._content = content

    async def body(self) -> bytes:
        """What was sent."""
        return self._read_body

    async def json(self) -> Any:
        """Its content."""
        return self._content


async def _read(request: Request, limit: int) -> _JsonRequest:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "unsupported-media-type", "Send the request as application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            detail = (
                f"The request is larger than {limit} bytes: store the arguments elsewhere and "
                "send a reference, or raise WARRENER_MAX_PAYLOAD_BYTES."
            )
            raise BadRequest(413, "payload-too-large", detail)
    try:
        content = read_json(bytes(body))
    except ValueError as error:
        raise BadRequest(400, "invalid-json", f"The body is no JSON: {error}.") from error
    return _JsonRequest(request, bytes(body), content)


def _asked_to_wait(request: Request) -> float:
    try:
        return max(0.0, min(60.0, float(request.query_params.get("wait", 0))))
    except ValueError:
        return 0.0
