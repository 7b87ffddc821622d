"""Errors as RFC 9457 problem details: one table from exception to status and problem type."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from warrener import (
    BrokerRefusedLogin,
    BrokerUnavailable,
    ConfigurationError,
    CursorError,
    DeadLetterNotFound,
    DuplicateJob,
    ExchangeNotFound,
    IdempotencyConflict,
    InvalidArguments,
    InvalidDelay,
    InvalidPriority,
    JobEnded,
    JobIdError,
    JobNotFound,
    OperationNotFound,
    PayloadTooLarge,
    PrioritiesUnsupported,
    PublishRefused,
    PublishTimeout,
    QueueBusy,
    QueueNameError,
    QueueNotFound,
    ScheduleExists,
    ScheduleInCode,
    ScheduleNotFound,
    StoreUnavailable,
    TopologyMismatch,
    UnknownTask,
    WarrenerError,
    WorkerNotFound,
    WorkflowEnded,
    WorkflowNotFound,
)
from warrener.calls import MOST_PROBLEMS

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which a client may try again."""

STATUSES: list[tuple[type[WarrenerError], int]] = [
    (InvalidArguments, 422),
    (UnknownTask, 422),
    (InvalidDelay, 422),
    (InvalidPriority, 422),
    (QueueNameError, 422),
    (JobIdError, 422),
    (CursorError, 422),
    (PayloadTooLarge, 413),
    (JobNotFound, 404),
    (WorkflowNotFound, 404),
    (WorkerNotFound, 404),
    (DeadLetterNotFound, 404),
    (ScheduleNotFound, 404),
    (ScheduleExists, 409),
    (ScheduleInCode, 409),
    (OperationNotFound, 404),
    (QueueNotFound, 404),
    (IdempotencyConflict, 409),
    (DuplicateJob, 409),
    (JobEnded, 409),
    (WorkflowEnded, 409),
    (QueueBusy, 409),
    (ExchangeNotFound, 503),
    (PublishRefused, 503),
    (PublishTimeout, 503),
    (BrokerUnavailable, 503),
    (BrokerRefusedLogin, 503),
    (TopologyMismatch, 503),
    (PrioritiesUnsupported, 503),
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
    return {status: {"model": Problem, "content": _AsProblemJson()} for status in statuses}


class _AsProblemJson(dict[str, Any]):
    """The `content` of an answer in OpenAPI. FastAPI puts a model under the media type of the route's
    successes, and has no setting for another; the model alone gets a name in the document, which may
    be a longer one beside a user's own Problem."""

    def setdefault(self, _: str, default: Any = None) -> Any:
        """The same, under the media type that problems have."""
        return super().setdefault(PROBLEM_JSON, default)


class TooLate(Exception):
    """The deadline of a call has passed. `may_arrive`: the job may have been accepted all the same."""

    def __init__(self, detail: str, *, may_arrive: bool) -> None:
        if may_arrive:
            detail += " The job may still arrive: with the same Idempotency-Key, sending it again is safe."
        self.problem = Problem(
            type="urn:warrener:unavailable",
            title="unavailable",
            status=503,
            detail=detail,
            may_arrive=may_arrive,
        )
        super().__init__(detail)


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
        case BadRequest() | TooLate():
            return error.problem
        case HTTPException():
            kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
            return BadRequest(error.status_code, kind, str(error.detail)).problem
        case RequestValidationError():
            return _of_validation(error)
        case WarrenerError():
            return _of_warrener(error)
        case _:
            return BadRequest(500, "internal-error", "The server's log says what happened.").problem


def _of_validation(error: RequestValidationError) -> Problem:
    faults = error.errors()
    if broken := [fault for fault in faults if fault["type"] == "json_invalid"]:
        detail = f"The body is no JSON: {broken[0]['ctx']['error']}."
        return BadRequest(400, "invalid-json", detail).problem
    errors = [{"at": _place(f["loc"]), "message": f["msg"]} for f in faults[:MOST_PROBLEMS]]
    detail = "; ".join(f"{e['at']}: {e['message']}" for e in errors)
    if more := len(faults) - len(errors):
        detail += f"; and {more} more"
    return BadRequest(422, "invalid-request", detail, errors).problem


def _place(location: tuple[int | str, ...]) -> str:
    # Of the body, the field alone: what a client sent is what it has to look at.
    inside = location[1:] if location[0] == "body" and len(location) > 1 else location
    return ".".join(map(str, inside))


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
    # What was asked for may be repeated in it: it is no page, whatever a browser makes of it.
    headers = {"X-Content-Type-Options": "nosniff"}
    if problem.status == 503:
        headers["Retry-After"] = RETRY_AFTER
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, problem.status, headers, PROBLEM_JSON)
