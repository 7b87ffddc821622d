"""Dead letters: listing and replaying them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute

from warrener import Warrener
from warrener.letter_index import DeadLetterIndex
from warrener.replaying import Replayer
from warrener.selecting import Selection
from warrener.topology import check_queue_name

from ..answering import Deadline, promptly, route_class
from ..clients import client_of
from ..openapi import operation_ids
from ..problems import problems_with
from ..schemas import DeadLetterPage, DeadLetterView, ReplayRequest, ReplayView

PASS = 20.0
"""Seconds that a pass through a dead queue may take."""
PASSED = (
    "The replay had not come to its end after {seconds:g} s. What it has replayed stays replayed: call "
    "again for the rest, or give a smaller limit."
)
LAST_START = 1_000_000_000
"""How far a listing can be read: more letters than Redis holds, and a number that it takes."""


def routes(app: Warrener) -> APIRouter:
    """The routes under /dead-letters."""
    router = _router(route_class(app))

    @router.get(
        "/dead-letters/{queue}", name="list_dead_letters", responses=problems_with(422, 503)
    )
    async def list_dead_letters(
        queue: str,
        start: Annotated[int, Query(ge=0, le=LAST_START)] = 0,
        size: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> DeadLetterPage:
        """The dead letters of a queue, the newest first."""
        check_queue_name(queue, app.settings.namespace)
        index = DeadLetterIndex(app.settings, client_of(app).store)
        letters = await index.page(queue, start, size)
        items = [DeadLetterView.of(letter) for letter in letters]
        return DeadLetterPage(count=await index.count(queue), items=items)

    router.include_router(_passes(app))
    return router


def _router(kind: type[APIRoute]) -> APIRouter:
    return APIRouter(
        tags=["dead letters"],
        route_class=kind,
        generate_unique_id_function=operation_ids("/dead-letters"),
    )


def _passes(app: Warrener) -> APIRouter:
    """What takes as long as a pass through a queue takes."""
    router = _router(route_class(app, _passed))

    @router.post(
        "/dead-letters/{queue}/replay",
        name="replay_dead_letters",
        responses=problems_with(400, 404, 409, 413, 415, 422, 503),
    )
    async def replay(queue: str, wanted: ReplayRequest) -> ReplayView:
        """Publish dead letters to their queue again; what is not selected stays."""
        check_queue_name(queue, app.settings.namespace)
        client = client_of(app)
        async with promptly(app):
            await client.store.check_writable()
            await client.publisher.ready()
        selection = Selection(
            frozenset(wanted.ids), wanted.task, wanted.cause, wanted.reason, wanted.all
        )
        report = await Replayer(client).replay(
            queue, selection, limit=wanted.limit, dry_run=wanted.dry_run, resign=wanted.resign
        )
        return ReplayView(
            queue=report.queue,
            seen=report.seen,
            replayed=report.replayed,
            kept=report.kept,
            already=report.already,
            failed=report.failed,
            job_ids=report.job_ids,
        )

    return router


def _passed(app: Warrener) -> Deadline:
    return Deadline(max(PASS, app.settings.request_timeout), PASSED)
