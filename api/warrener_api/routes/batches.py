"""Submitting many jobs in one call, each of which is answered."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from warrener import PartlySubmitted, Warrener, WarrenerError
from warrener.tasks import Signature

from ..answering import may_arrive, route_class
from ..clients import client_of
from ..openapi import job_request, operation_ids
from ..problems import Problem, problem_of, problems_with
from ..published import Published, others
from ..schemas import JobRequest
from ..security import caller_of
from .jobs import key_of, signature_of

MOST = 1000
"""Jobs in one call."""
PAYLOADS = 16
"""A batch may be as large as the arguments of so many jobs."""


class BatchAnswer(BaseModel):
    """What became of one job of a batch: its `id`, or why it was not accepted. `status` is what it would
    have been answered by itself."""

    status: int
    id: str | None = None
    problem: Problem | None = None


class BatchView(BaseModel):
    """The answers, in the order of the jobs."""

    accepted: int
    results: list[BatchAnswer]


def routes(app: Warrener) -> APIRouter:
    """POST /jobs/batch."""
    router = APIRouter(
        prefix="/jobs",
        tags=["jobs"],
        route_class=route_class(app, payloads=PAYLOADS),
        generate_unique_id_function=operation_ids("/jobs"),
    )

    async def submit_batch(
        wanted: BaseModel,
        request: Request,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=240)] = None,
    ) -> BatchView:
        """Submit up to 1,000 jobs: 202, and an answer for each. With an Idempotency-Key, the same call
        again gives the same jobs, by their places in it."""
        caller, jobs = caller_of(request), wanted.jobs  # type: ignore[attr-defined]
        tasks = [job.get("task") for job in jobs if isinstance(job, dict)]
        known = await others(app, {task for task in tasks if isinstance(task, str)})
        found: list[Signature[Any] | BatchAnswer] = []
        for number, job in enumerate(jobs):
            key = None if idempotency_key is None else f"{idempotency_key}#{number}"
            found.append(_read(app, known, job, key_of(caller, key)))
        await client_of(app).store.check_writable()
        may_arrive(request)
        answers = iter(await _submit(app, [one for one in found if isinstance(one, Signature)]))
        results = [one if isinstance(one, BatchAnswer) else next(answers) for one in found]
        return BatchView(accepted=sum(one.id is not None for one in results), results=results)

    submit_batch.__annotations__["wanted"] = _batch_request(app)
    router.add_api_route(
        "/batch",
        submit_batch,
        methods=["POST"],
        status_code=202,
        response_model=BatchView,
        response_model_exclude_none=True,
        name="submit_batch",
        responses=problems_with(400, 413, 415, 422, 503),
    )
    return router


def _batch_request(app: Warrener) -> type[BaseModel]:
    """Documented as jobs like those of POST /jobs; read one by one, so that one that is wrong is answered
    by itself."""
    one = job_request(app)

    class AnyJob:
        @classmethod
        def __get_pydantic_json_schema__(
            cls, _: CoreSchema, handler: GetJsonSchemaHandler
        ) -> JsonSchemaValue:
            return handler(one.__pydantic_core_schema__)

    jobs: Any = Annotated[list[Annotated[Any, AnyJob]], Field(min_length=1, max_length=MOST)]
    model: type[BaseModel] = create_model(
        "BatchRequest",
        __config__=ConfigDict(extra="forbid"),
        __doc__="Jobs to submit.",
        __module__=__name__,
        jobs=(jobs, ...),
    )
    return model


def _read(
    app: Warrener, known: Published, job: Any, key: str | None
) -> Signature[Any] | BatchAnswer:
    try:
        return signature_of(app, known, JobRequest.model_validate(job), key)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        return _refused(RequestValidationError(faults))
    except WarrenerError as error:
        return _refused(error)


async def _submit(app: Warrener, signatures: list[Signature[Any]]) -> list[BatchAnswer]:
    try:
        handles: list[Any] = [*await app.send_many(signatures)]
        faults: dict[int, WarrenerError] = {}
    except PartlySubmitted as error:
        handles, faults = error.facts["handles"], error.facts["faults"]
    return [
        _refused(faults[n])
        if n in faults
        else BatchAnswer(status=HTTPStatus.ACCEPTED, id=handle.id)
        for n, handle in enumerate(handles)
    ]


def _refused(error: Exception) -> BatchAnswer:
    problem = problem_of(error)
    return BatchAnswer(status=problem.status, problem=problem)
