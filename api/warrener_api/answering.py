"""How every call is answered: errors as problems, a body read as JSON within a limit, and all in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from warrener import Warrener
from warrener.json_text import read_json

from .problems import BadRequest, Problem, TooLate, problem_of, response_of

log = logging.getLogger(__name__)

ENVELOPE = 16_384
"""Bytes that a request may take beside the arguments themselves."""


NO_ANSWER = "RabbitMQ or Redis did not answer within {seconds:g} s."


@dataclass(frozen=True)
class Deadline:
    """How long a call may take beside what it asked to wait, and what is said when it took longer."""

    seconds: float
    detail: str = NO_ANSWER


def answers_in(app: Warrener) -> Deadline:
    """The deadline of most calls."""
    return Deadline(app.settings.request_timeout)


@asynccontextmanager
async def promptly(app: Warrener) -> AsyncIterator[None]:
    """For the beginning of a call that may itself take longer: servers that hang are noticed here."""
    seconds = app.settings.request_timeout
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TooLate(NO_ANSWER.format(seconds=seconds), may_arrive=False) from error


def route_class(
    app: Warrener, deadline: Callable[[Warrener], Deadline] = answers_in, payloads: int = 1
) -> type[ProblemRoute]:
    """The class of routes of this app, whose requests hold the arguments of so many jobs. Settings are
    asked at each call."""
    members = {"warrener": app, "deadline": deadline, "payloads": payloads}
    return type("ProblemRoute", (ProblemRoute,), members)


class ProblemRoute(APIRoute):
    """A route whose errors are problems, also when it is mounted in somebody else's app, and which
    answers within a deadline."""

    warrener: ClassVar[Warrener]
    deadline: ClassVar[Callable[[Warrener], Deadline]]
    payloads: ClassVar[int]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with all of it."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        app, deadline = self.warrener, type(self).deadline

        async def handler(request: Request) -> Response:
            try:
                # Before the deadline, which is RabbitMQ's and Redis's, not the client's.
                if takes_body:
                    limit = self.payloads * app.settings.max_payload_bytes + ENVELOPE
                    request = await _read(request, limit, app.settings.request_timeout)
                return await _in_time(handle, request, deadline(app))
            except Exception as error:
                problem = problem_of(error)
                if problem.status == 500:
                    log.exception("%s %s failed", request.method, request.url.path)
                return self.tell(request, problem, error)

        return handler

    def tell(self, request: Request, problem: Problem, error: Exception) -> Response:
        """How a problem is answered."""
        return response_of(problem, error)


def may_arrive(request: Request) -> None:
    """From here on, what the request submits may be accepted although its answer comes too late."""
    request.state.may_arrive = True


async def _in_time(
    handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request, deadline: Deadline
) -> Response:
    try:
        async with asyncio.timeout(deadline.seconds + _asked_to_wait(request)):
            return await handle(request)
    except TimeoutError as error:
        detail = deadline.detail.format(seconds=deadline.seconds)
        doubt = getattr(request.state, "may_arrive", False)
        raise TooLate(detail, may_arrive=doubt) from error


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


async def _read(request: Request, limit: int, patience: float) -> _JsonRequest:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "unsupported-media-type", "Send the request as application/json.")
    body = await _body(request, limit, patience)
    try:
        content = read_json(body)
    except ValueError as error:
        raise BadRequest(400, "invalid-json", f"The body is no JSON: {error}.") from error
    return _JsonRequest(request, body, content)


async def _body(request: Request, limit: int, patience: float) -> bytes:
    """The body, of a client that says how long it is and sends it without long silences."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout(patience):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            detail = (
                f"Nothing more of the body came for {patience:g} s: send all that you announce."
            )
            raise BadRequest(408, "request-timeout", detail) from error
        if chunk is None:
            return bytes(body)
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)


def _too_large(limit: int) -> BadRequest:
    detail = (
        f"The request is larger than {limit} bytes: store the arguments elsewhere and "
        "send a reference, or raise WARRENER_MAX_PAYLOAD_BYTES."
    )
    return BadRequest(413, "payload-too-large", detail)


def _asked_to_wait(request: Request) -> float:
    try:
        return max(0.0, min(60.0, float(request.query_params.get("wait", 0))))
    except ValueError:
        return 0.0
