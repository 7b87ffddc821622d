"""Operations on dead letters: asked for, looked up and cancelled; and the audit trail."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from warrener import Warrener
from warrener.asking import ask, cancel, forecast
from warrener.audit import AuditTrail
from warrener.operations import Operations, Wanted
from warrener.selecting import ALL

from ..answering import promptly, route_class
from ..clients import client_of
from ..noting import who
from ..openapi import operation_ids
from ..operation_schemas import (
    AuditQuery,
    AuditView,
    DiscardRequest,
    ForecastView,
    OperationQuery,
    OperationView,
    PassRequest,
    ReplayRequest,
)
from ..problems import problems_with

STEP = 0.2
"""Seconds between two looks at an operation whose end is waited for."""

_ASKED: dict[int | str, dict[str, Any]] = {
    200: {"model": ForecastView, "description": "With `dry_run`: what it would do."}
}
_REFUSED = problems_with(400, 404, 409, 413, 415, 422, 503)


def routes(app: Warrener) -> APIRouter:
    """The routes that ask for operations, under /dead-letters, and /operations and /audit."""
    whole = APIRouter()
    whole.include_router(_asking(app))
    whole.include_router(_looking(app))
    whole.include_router(_audit(app))
    return whole


def _router(app: Warrener, path: str, tag: str) -> APIRouter:
    return APIRouter(
        tags=[tag], route_class=route_class(app), generate_unique_id_function=operation_ids(path)
    )


def _asking(app: Warrener) -> APIRouter:
    router = _router(app, "/dead-letters", "dead letters")
    answers = {**_ASKED, **_REFUSED}

    @router.post(
        "/dead-letters/{queue}/replay",
        name="replay_dead_letters",
        status_code=202,
        responses=answers,
    )
    async def replay(
        queue: str, wanted: ReplayRequest, request: Request, response: Response
    ) -> OperationView | ForecastView:
        """Publish dead letters to their queue again; what is not selected stays."""
        one = Wanted(
            kind="replay",
            **_common(queue, wanted, request),
            to_queue=wanted.to_queue or "",
            resign=wanted.resign,
            edit=wanted.edit,
        )
        return await _answered(app, one, wanted.dry_run, request, response)

    @router.post(
        "/dead-letters/{queue}/discard",
        name="discard_dead_letters",
        status_code=202,
        responses=answers,
    )
    async def discard(
        queue: str, wanted: DiscardRequest, request: Request, response: Response
    ) -> OperationView | ForecastView:
        """Give dead letters up: they leave their queue, and their jobs stay FAILURE, with the reason."""
        common = _common(queue, wanted, request)
        one = Wanted(kind="discard", **common, reason=wanted.because)
        return await _answered(app, one, wanted.dry_run, request, response)

    @router.post(
        "/dead-letters/{queue}/reindex",
        name="reindex_dead_letters",
        status_code=202,
        responses=problems_with(404, 409, 422, 503),
    )
    async def reindex(queue: str, request: Request, response: Response) -> OperationView:
        """Make the index of a queue's dead letters anew, from the queue."""
        one = Wanted(kind="reindex", queue=queue, by=who(request), selection=ALL)
        return await _begun(app, one, request, response)

    return router


async def _answered(
    app: Warrener, wanted: Wanted, dry_run: bool, request: Request, response: Response
) -> OperationView | ForecastView:
    if dry_run:
        return await _forecast(app, wanted, response)
    return await _begun(app, wanted, request, response)


async def _forecast(app: Warrener, wanted: Wanted, response: Response) -> ForecastView:
    async with promptly(app):
        found = await forecast(client_of(app), wanted.queue, wanted.selection, wanted.limit)
    response.status_code = 200
    return ForecastView.of(found)


async def _begun(
    app: Warrener, wanted: Wanted, request: Request, response: Response
) -> OperationView:
    client = client_of(app)
    async with promptly(app):
        await client.store.check_writable()
        operation_id = await ask(client, wanted)
        one = await Operations(app.settings, client.store).find(operation_id)
    response.headers["Location"] = _address(request, operation_id)
    return OperationView.of(one)


def _common(queue: str, wanted: PassRequest, request: Request) -> dict[str, Any]:
    return {
        "queue": queue,
        "by": who(request),
        "selection": wanted.selection(everything=wanted.all),
        "limit": wanted.limit,
        "rate": wanted.rate,
    }


def _address(request: Request, operation_id: str) -> str:
    path, root = request.url.path, request.scope.get("root_path", "")
    before = (path if path.startswith(root) else root + path).rpartition("/dead-letters/")[0]
    return f"{before}/operations/{operation_id}"


def _looking(app: Warrener) -> APIRouter:
    router = _router(app, "/operations", "operations")

    def operations() -> Operations:
        return Operations(app.settings, client_of(app).store)

    @router.get("/operations", name="list_operations", responses=problems_with(422, 503))
    async def list_operations(
        wanted: Annotated[OperationQuery, Query()],
    ) -> list[OperationView]:
        """The operations, the newest first; of those that have ended, those of the last week."""
        return [OperationView.of(one) for one in await operations().newest(wanted.size)]

    @router.get("/operations/{id}", name="get_operation", responses=problems_with(404, 422, 503))
    async def get_operation(
        id: str,
        wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for its end.")] = 0,
    ) -> OperationView:
        """An operation, as far as it is."""
        async with promptly(app):
            one = await operations().find(id)
        end = asyncio.get_running_loop().time() + wait
        while not one.has_ended and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(STEP)
            one = await operations().find(id)
        return OperationView.of(one)

    @router.delete(
        "/operations/{id}", name="cancel_operation", responses=problems_with(404, 422, 503)
    )
    async def cancel_operation(id: str, request: Request) -> OperationView:
        """Have an operation end, where it is; what it has done stays done. Ended ones stay as they are."""
        await cancel(client_of(app), id, who(request))
        return OperationView.of(await operations().find(id))

    return router


def _audit(app: Warrener) -> APIRouter:
    router = _router(app, "/audit", "audit")

    @router.get("/audit", name="list_audit", responses=problems_with(422, 503))
    async def list_audit(wanted: Annotated[AuditQuery, Query()]) -> list[AuditView]:
        """Who did what to which messages, the newest first: the last 10,000 entries."""
        found = await AuditTrail(app.settings, client_of(app).store).read(
            wanted.size, wanted.before
        )
        return [AuditView.of(entry) for entry in found]

    return router
