"""Queues."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request

from warrener import Warrener, WarrenerError
from warrener.limits import QueueRules
from warrener.queues import PurgeReport, Queues, QueueState
from warrener.taking import WINDOW

from ..answering import route_class
from ..clients import client_of
from ..noting import note
from ..openapi import operation_ids
from ..problems import problems_with
from ..published import published
from ..schemas import LimitRequest, PurgeView, QueueView


def routes(app: Warrener) -> APIRouter:
    """The routes under /queues."""
    router = APIRouter(
        prefix="/queues",
        tags=["queues"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/queues"),
    )

    @router.get("", responses=problems_with(503))
    async def list_queues() -> list[QueueView]:
        """The queues that exist on the broker, of the app's tasks and of those that workers have
        published."""
        names = {*app.queues, *(entry.queue for entry in (await published(app)).values())}
        states = await Queues(client_of(app)).states(sorted(names))
        return [_view(state) for state in states]

    _add_control(router, app)
    return router


def _add_control(router: APIRouter, app: Warrener) -> None:
    @router.post("/{queue}/pause", name="pause_queue", responses=problems_with(404, 422, 503))
    async def pause(queue: str, request: Request) -> QueueView:
        """Let no job of a queue begin, on any worker; what runs goes on."""
        state = await Queues(client_of(app)).pause(queue)
        await note(app, request, "pause", queue=queue)
        return _view(state)

    @router.post("/{queue}/resume", name="resume_queue", responses=problems_with(404, 422, 503))
    async def resume(queue: str, request: Request) -> QueueView:
        """End a pause."""
        state = await Queues(client_of(app)).resume(queue)
        await note(app, request, "resume", queue=queue)
        return _view(state)

    @router.put(
        "/{queue}/limits",
        name="limit_queue",
        responses=problems_with(400, 404, 413, 415, 422, 503),
    )
    async def limit(queue: str, wanted: LimitRequest, request: Request) -> QueueView:
        """Limit a queue on all workers together."""
        state = await Queues(client_of(app)).limit(queue, wanted.rate, wanted.max_in_flight)
        rules = QueueRules(rate=wanted.rate, max_in_flight=wanted.max_in_flight)
        await note(app, request, "limit", queue=queue, limits=str(rules))
        return _view(state)

    _add_purge(router, app)


def _add_purge(router: APIRouter, app: Warrener) -> None:
    @router.post("/{queue}/purge", name="purge_queue", responses=problems_with(404, 409, 422, 503))
    async def purge(queue: str, request: Request) -> PurgeView:
        """Remove what waits in a queue; its jobs end as REVOKED. What a few seconds are not enough for
        stays, and `whole` is false: the same call goes on with it."""
        client, whole = client_of(app), True
        end = client.clock() + app.settings.request_timeout / 2

        async def in_time() -> int:
            nonlocal whole
            whole = client.clock() < end
            return WINDOW if whole else 0

        report = PurgeReport(queue)
        try:
            await Queues(client).purge(queue, in_time, report)
        except WarrenerError:
            if report.revoked or report.dropped:
                await note(app, request, "purge", **asdict(report))
            raise
        await note(app, request, "purge", **asdict(report))
        return PurgeView(**asdict(report), whole=whole)


def _view(state: QueueState) -> QueueView:
    return QueueView(**asdict(state))
