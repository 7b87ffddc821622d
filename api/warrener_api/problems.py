"""Errors as RFC 9457 problem details: one table from exception to status and problem type."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from warrener import (
    BrokerRefusedLogin,
    BrokerUnavailable,
    ConfigurationError,
    ExchangeNotFound,
    IdempotencyConflict,
    InvalidArguments,
    InvalidDelay,
    JobIdError,
    JobNotFound,
    PayloadTooLarge,
    PublishRefused,
    PublishTimeout,
    QueueBusy,
    QueueNameError,
    QueueNotFound,
    StoreUnavailable,
    TopologyMismatch,
    UnknownTask,
    WarrenerError,
)

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which a client may try again."""
DEADLINE = 20.0
"""Seconds that a request may take beside what it asked to wait: RabbitMQ or Redis may hang."""

STATUSES: list[tuple[type[WarrenerError], int]] = [
    (InvalidArguments, 422),
    (UnknownTask, 422),
    (InvalidDelay, 422),
    (QueueNameError, 422),
    (JobIdError, 422),
    (PayloadTooLarge, 413),
    (JobNotFound, 404),
    (QueueNotFound, 404),
    (IdempotencyConflict, 409),
    (QueueBusy, 409),
    (ExchangeNotFound, 503),
    (PublishRefused, 503),
    (PublishTimeout, 503),
    (BrokerUnavailable, 503),
    (BrokerRefusedLogin, 503),
    (TopologyMismatch, 503),
    (StoreUnavailable, 503),
    (ConfigurationError, 422),
]


class Problem(BaseModel):
    """RFC 9457, with the fields at fault where there are some."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
    may_arrive: bool | None = None


def problems_with(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these answers: problems, under the media type that they have."""
    schema = Problem.model_json_schema()
    return {status: {"content": {PROBLEM_JSON: {"schema": schema}}} for status in statuses}


class BadRequest(Exception):
    """A request that is wrong before any of Warrener sees it."""

    def __init__(
        self, status: int, kind: str, detail: str, errors: list[dict[str, str]] | None = None
    ) -> None:
        self.problem = Problem(
            type=f"urn:warrener:{kind}",
            title=kind.replace("-", " "),
            status=status,
            detail=detail,
            errors=errors,
        )
        super().__init__(detail)


def problem_of(error: Exception) -> Problem:
    """The problem that tells of this error; never more of an unexpected one than that it happened."""
    match error:
        case BadRequest():
            return error.problem
        case HTTPException():
            kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
            return BadRequest(error.status_code, kind, str(error.detail)).problem
        case RequestValidationError():
            return _of_validation(error)
        case TimeoutError():
            detail = f"RabbitMQ or Redis did not answer within {DEADLINE:g} s."
            return BadRequest(503, "unavailable", detail).problem
        case WarrenerError():
            return _of_warrener(error)
        case _:
            return BadRequest(500, "internal-error", "The server's log says what happened.").problem


def _of_validation(error: RequestValidationError) -> Problem:
    faults = error.errors()
    if broken := [fault for fault in faults if fault["type"] == "json_invalid"]:
        detail = f"The body is no JSON: {broken[0]['ctx']['error']}."
        return BadRequest(400, "invalid-json", detail).problem
    errors = [{"at": ".".join(map(str, f["loc"])), "message": f["msg"]} for f in faults]
    detail = "; ".join(f"{e['at']}: {e['message']}" for e in errors)
    return BadRequest(422, "invalid-request", detail, errors).problem


def _of_warrener(error: WarrenerError) -> Problem:
    status = next((code for kind, code in STATUSES if isinstance(error, kind)), 500)
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    return Problem(
        type=f"urn:warrener:{kind}",
        title=kind.replace("-", " "),
        status=status,
        detail=str(error),
        errors=error.facts.get("problems"),
        may_arrive=error.may_arrive if status == 503 else None,
    )


def response_of(problem: Problem, error: Exception) -> Response:
    """The problem as a response, with the headers that the error asks for, such as WWW-Authenticate."""
    headers = {"Retry-After": RETRY_AFTER} if problem.status == 503 else {}
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, problem.status, headers, PROBLEM_JSON)


class ProblemRoute(APIRoute):
    """A route whose errors are problems, also when it is mounted in somebody else's app, and which
    answers within a deadline."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with both."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                async with asyncio.timeout(DEADLINE + _asked_to_wait(request)):
                    return await handle(request)
            except Exception as error:
                problem = problem_of(error)
                if problem.status == 500:
                    log.exception("%s %s failed", request.method, request.url.path)
                return response_of(problem, error)

        return handler


def _asked_to_wait(request: Request) -> float:
    try:
        return max(0.0, min(60.0, float(request.query_params.get("wait", 0))))
    except ValueError:
        return 0.0
