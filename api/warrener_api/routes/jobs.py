"""Submitting jobs and looking them up."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import ValidationError

from warrener import JobNotFound, UnknownTask, Warrener
from warrener.calls import read_json
from warrener.client import Client
from warrener.ids import is_job_id
from warrener.tasks import Options, Signature

from ..openapi import job_request_schema
from ..problems import BadRequest, ProblemRoute, problems_with
from ..schemas import JobRequest, JobView

ENVELOPE = 16_384
"""Bytes that a request may take beside the arguments themselves."""


def routes(app: Warrener) -> APIRouter:
    """The routes under /jobs."""
    router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=ProblemRoute)

    async def submit(
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> JobView:
        """Submit a job: 202 once RabbitMQ has it safely. The same Idempotency-Key gives the same job."""
        wanted = await _read(request, app.settings.max_payload_bytes + ENVELOPE)
        client = client_of(app)
        # The record is written after the publish: without a store, a 503 must come before it, or a
        # client that tries again would submit the job twice.
        await client.store.ping()
        signature = _signature(app, wanted, idempotency_key)
        handle = await app.submit(signature)
        response.headers["Location"] = _address_below(request, handle.id)
        status = await client.status(handle.id)
        return JobView.of(status) if status else _accepted(app, handle.id, wanted)

    schema = {"content": {"application/json": {"schema": job_request_schema(app)}}}
    router.add_api_route(
        "",
        submit,
        methods=["POST"],
        status_code=202,
        response_model=JobView,
        name="submit_job",
        openapi_extra={"requestBody": {"required": True, **schema}},
        responses=problems_with(400, 404, 409, 413, 415, 422, 503),
    )

    @router.get("/{job_id}", name="get_job", responses=problems_with(404, 422, 503))
    async def get(
        job_id: str,
        wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its end.")] = 0,
    ) -> JobView:
        """The job as recorded."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id=job_id[:128])
        client = client_of(app)
        status = await (client.wait(job_id, wait) if wait else client.status(job_id))
        if status is None:
            raise JobNotFound(job_id=job_id)
        return JobView.of(status)

    return router


def client_of(app: Warrener) -> Client:
    """The app's client on this loop."""
    backend = app.backend()
    assert isinstance(backend, Client)
    return backend


def _address_below(request: Request, job_id: str) -> str:
    """The job's own address. Not by url_for(): another router, or the app that this one is mounted in,
    may have routes of the same names."""
    path, root = request.url.path.rstrip("/"), request.scope.get("root_path", "")
    # A path holds its root by the ASGI specification; some proxies' set-ups leave it out.
    return f"{path if path.startswith(root) else root + path}/{job_id}"


async def _read(request: Request, limit: int) -> JobRequest:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "unsupported-media-type", "Send the job as application/json.")
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
    try:
        return JobRequest.model_validate(content)
    except ValidationError as error:
        errors = [
            {"at": ".".join(map(str, e["loc"])) or "body", "message": e["msg"]}
            for e in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        detail = "; ".join(f"{e['at']}: {e['message']}" for e in errors)
        raise BadRequest(422, "invalid-request", detail, errors) from error


def _signature(app: Warrener, wanted: JobRequest, key: str | None) -> Signature[Any]:
    task = app.tasks.get(wanted.task)
    if task is None:
        raise UnknownTask(task=wanted.task, known=", ".join(sorted(app.tasks)) or "none")
    call = task.schema.bind_json(wanted.args, wanted.kwargs)
    options = Options(
        queue=wanted.queue,
        countdown=wanted.countdown,
        eta=wanted.eta,
        idempotency_key=None if key is None else f"http:{key}",
    )
    return Signature(app, wanted.task, (), call.arguments, options)


def _accepted(app: Warrener, job_id: str, wanted: JobRequest) -> JobView:
    queue = app.queue_of(app.tasks[wanted.task]) if wanted.queue is None else wanted.queue
    return JobView(id=job_id, task=wanted.task, queue=queue, state="PENDING")
