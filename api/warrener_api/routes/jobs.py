"""Submitting jobs and looking them up."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from warrener import JobNotFound, StoreUnavailable, Warrener
from warrener.flow import Flow
from warrener.ids import is_job_id
from warrener.listing import Listing
from warrener.tasks import Options, Signature

from ..answering import may_arrive, promptly, route_class
from ..clients import client_of
from ..job_schemas import JobPage, JobQuery
from ..noting import note
from ..openapi import job_request, operation_ids
from ..problems import problems_with
from ..published import Published, call_of, others
from ..schemas import JobRequest, JobView
from ..security import Caller, caller_of


def routes(app: Warrener) -> APIRouter:
    """The routes under /jobs."""
    router = APIRouter(
        prefix="/jobs",
        tags=["jobs"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/jobs"),
    )

    @router.get("", name="list_jobs", responses=problems_with(422, 503))
    async def list_jobs(wanted: Annotated[JobQuery, Query()]) -> JobPage:
        """Jobs as recorded. SCHEDULED and RETRY come by when they are due, FAILURE or REVOKED alone by when
        they ended, all others by when they were created, the newest first."""
        listing = Listing(app.settings, client_of(app).store)
        return JobPage.of(await listing.page(wanted.wanted, wanted.cursor, wanted.size))

    _add_one(router, app)
    _add_submit(router, app)
    return router


def _add_one(router: APIRouter, app: Warrener) -> None:
    @router.get("/{job_id}", name="get_job", responses=problems_with(404, 422, 503))
    async def get(
        job_id: str,
        wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its end.")] = 0,
    ) -> JobView:
        """The job as recorded."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id=job_id[:128])
        client = client_of(app)
        async with promptly(app):
            status = await client.status(job_id)
        if wait and status is not None and not status.is_settled:
            status = await client.wait(job_id, wait)
        if status is None:
            raise JobNotFound(job_id=job_id)
        return JobView.of(await Flow(app.settings, client.store).explained(status))

    @router.delete(
        "/{job_id}", name="revoke_job", status_code=202, responses=problems_with(404, 409, 422, 503)
    )
    async def revoke(
        job_id: str,
        request: Request,
        response: Response,
        terminate: Annotated[
            bool,
            Query(description="Kill the process of a run; at once if nothing else runs in it."),
        ] = False,
        reason: Annotated[str, Query(min_length=1, max_length=200)] = "revoked",
    ) -> JobView:
        """Revoke a job: 200 if it was waiting and will not run, 202 if it runs and was asked to end."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id=job_id[:128])
        client = client_of(app)
        async with promptly(app):
            if await client.revoke(job_id, reason, terminate=terminate):
                response.status_code = 200
            await note(app, request, "revoke", job=job_id, reason=reason)
            status = await client.status(job_id)
        if status is None:
            raise JobNotFound(job_id=job_id)
        return JobView.of(status)


def _add_submit(router: APIRouter, app: Warrener) -> None:
    async def submit(
        wanted: JobRequest,
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> JobView:
        """Submit a job: 202 once RabbitMQ has it safely. The same Idempotency-Key gives the same job."""
        key = key_of(caller_of(request), idempotency_key)
        signature = signature_of(app, await others(app, [wanted.task]), wanted, key)
        client = client_of(app)
        # The record is written after the publish: without a store, a 503 must come before it, or a
        # client that tries again would submit the job twice.
        await client.store.check_writable()
        may_arrive(request)
        handle = await app.submit(signature)
        response.headers["Location"] = _address_below(request, handle.id)
        status = None
        # The job is safe by now, whether its record can be read or not.
        with suppress(StoreUnavailable):
            status = await client.status(handle.id)
        queue = await app.drafter().queue_for(signature)
        return JobView.of(status) if status else _accepted(handle.id, wanted.task, queue)

    # The app's own kind of request, which no annotation can name.
    submit.__annotations__["wanted"] = job_request(app)
    router.add_api_route(
        "",
        submit,
        methods=["POST"],
        status_code=202,
        response_model=JobView,
        name="submit_job",
        responses=problems_with(400, 404, 409, 413, 415, 422, 503),
    )


def _address_below(request: Request, job_id: str) -> str:
    """The job's own address. Not by url_for(): another router, or the app that this one is mounted in,
    may have routes of the same names."""
    path, root = request.url.path.rstrip("/"), request.scope.get("root_path", "")
    # A path holds its root by the ASGI specification; some proxies' set-ups leave it out.
    return f"{path if path.startswith(root) else root + path}/{job_id}"


def key_of(caller: Caller, key: str | None) -> str | None:
    """What the job's id is derived from: two callers do not share their keys."""
    return None if key is None else f"http:{caller.id}:{key}" if caller.id else f"http:{key}"


def signature_of(
    app: Warrener, found: Published, wanted: JobRequest, key: str | None
) -> Signature[Any]:
    """The call that is asked for. Raises UnknownTask, InvalidArguments, ConfigurationError."""
    queue, arguments = call_of(app, found, wanted.task, wanted.args, wanted.kwargs)
    options = Options(
        queue=queue if wanted.queue is None else wanted.queue,
        countdown=wanted.countdown,
        eta=wanted.eta,
        idempotency_key=key,
        expires=wanted.expires,
        priority=wanted.priority,
        concurrency_key=wanted.concurrency_key,
    )
    return Signature(app, wanted.task, (), arguments, options)


def _accepted(job_id: str, task: str, queue: str) -> JobView:
    return JobView(id=job_id, task=task, queue=queue, state="PENDING")
