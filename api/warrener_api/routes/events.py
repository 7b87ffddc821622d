"""Server-sent events: one job until its end, and everything that happens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from warrener import CursorError, JobNotFound, JobStatus, StoreUnavailable, Warrener
from warrener.following import Followed, Following, Missed, is_place
from warrener.ids import is_job_id

from ..answering import promptly, route_class
from ..clients import client_of
from ..ending import ending
from ..job_schemas import ListedJob
from ..openapi import operation_ids
from ..problems import problems_with
from ..schemas import JobView

ALIVE = 10.0
"""Seconds without an event after which a comment goes out, so that nothing between takes us for dead."""
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def routes(app: Warrener) -> APIRouter:
    """/events and /jobs/{id}/events."""
    whole = APIRouter()
    for router in (_of_jobs(app), _of_everything(app)):
        whole.include_router(router)
    return whole


def _router(app: Warrener, own_path: str) -> APIRouter:
    return APIRouter(
        tags=["events"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids(own_path),
    )


def _of_jobs(app: Warrener) -> APIRouter:
    router = _router(app, "/jobs")

    @router.get(
        "/jobs/{job_id}/events",
        name="follow_job",
        response_class=StreamingResponse,
        responses={**_STREAM, **problems_with(404, 422, 503)},
    )
    async def follow_job(job_id: str) -> StreamingResponse:
        """The job whenever it has changed, as events `job`, and once it has ended as `end`. Each says all:
        after a reconnect, nothing has to be made up for."""
        client = client_of(app)
        if not is_job_id(job_id):
            raise JobNotFound(job_id=job_id[:128])
        async with promptly(app):
            if await client.status(job_id) is None:
                raise JobNotFound(job_id=job_id)
        return _answer(_of_job(Following(client).job(job_id)))

    return router


def _of_everything(app: Warrener) -> APIRouter:
    router = _router(app, "/events")

    @router.get(
        "/events",
        name="follow_events",
        response_class=StreamingResponse,
        responses={**_STREAM, **problems_with(422, 503)},
    )
    async def follow_events(
        queue: Annotated[str, Query(max_length=255)] = "",
        task: Annotated[str, Query(max_length=255)] = "",
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> StreamingResponse:
        """What happens, from now on or from behind the `Last-Event-ID`: events `job` and `worker`, and
        `missed` where what was in between is no longer kept."""
        if last_event_id and not is_place(last_event_id):
            raise CursorError(cursor=last_event_id)
        client = client_of(app)
        async with promptly(app):
            await client.store.ping()
        return _answer(_of_all(Following(client).all(last_event_id or ""), queue, task))

    return router


def _answer(lines: AsyncIterator[str]) -> StreamingResponse:
    # Proxies would collect the events before they hand any on.
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_kept_alive(lines), media_type="text/event-stream", headers=headers)


async def _kept_alive(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """The lines, and comments while there are none. While Redis is away the stream ends: whoever follows
    comes back, and is told why."""
    said, heard = time.monotonic(), False
    try:
        async for text in lines:
            if not heard:
                heard = True  # from here on: who has to tell of things knows of this listener
                yield ": here\n\n"
            if text or time.monotonic() - said > ALIVE:
                said = time.monotonic()
                yield text or ": still here\n\n"
            if ending.is_set():
                return
    except (StoreUnavailable, JobNotFound) as error:
        yield event("error", {"detail": str(error)})


async def _of_job(statuses: AsyncIterator[JobStatus | None]) -> AsyncIterator[str]:
    async for status in statuses:
        if status is None:
            yield ""
        elif status.is_settled:
            yield event("end", JobView.of(status))
        else:
            yield event("job", ListedJob.of(status))


async def _of_all(
    found: AsyncIterator[Followed | Missed | None], queue: str, task: str
) -> AsyncIterator[str]:
    async for one in found:
        match one:
            case None:
                yield ""
            case Missed(place):
                yield event("missed", {}, place)
            case Followed(place, what):
                if what.kind == "job" and (
                    queue not in ("", what.queue) or task not in ("", what.task)
                ):
                    continue
                facts = {
                    name: value for name, value in asdict(what).items() if value not in ("", None)
                }
                yield event(what.kind, facts, place)


def event(name: str, data: Any, place: str = "") -> str:
    """One event as the wire has it (HTML, §9.2): JSON has no line breaks of its own."""
    mark = f"id: {place}\n" if place else ""
    return f"{mark}event: {name}\ndata: {to_json(data).decode()}\n\n"
