"""Dead letters: listing and replaying them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from warrener import Warrener
from warrener.dead_letters import DeadLetterIndex
from warrener.replaying import Replayer, Selection
from warrener.topology import check_queue_name

from ..answering import route_class
from ..openapi import operation_ids
from ..problems import problems_with
from ..schemas import DeadLetterPage, DeadLetterView, ReplayRequest, ReplayView
from .jobs import client_of

LAST_START = 1_000_000_000
"""How far a listing can be read: more letters than Redis holds, and a number that it takes."""


def routes(app: Warrener) -> APIRouter:
    """The routes under /dead-letters."""
    router = APIRouter(
        prefix="/dead-letters",
        tags=["dead letters"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/dead-letters"),
    )

    @router.get("/{queue}", name="list_dead_letters", responses=problems_with(422, 503))
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

    @router.post(
        "/{queue}/replay",
        name="replay_dead_letters",
        responses=problems_with(400, 404, 409, 413, 415, 422, 503),
    )
    async def replay(queue: str, wanted: ReplayRequest) -> ReplayView:
        """Publish dead letters to their queue again; what is not selected stays."""
        check_queue_name(queue, app.settings.namespace)
        selection = Selection(
            frozenset(wanted.ids), wanted.task, wanted.cause, wanted.reason, wanted.all
        )
        report = await Replayer(client_of(app)).replay(
            queue, selection, limit=wanted.limit, dry_run=wanted.dry_run
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
