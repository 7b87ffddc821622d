"""Dead letters: listing and replaying them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute

from warrener import DeadLetterNotFound, Warrener
from warrener.dead_counts import dead_counts
from warrener.letter_index import DeadLetterIndex
from warrener.replaying import Replayer
from warrener.topology import check_queue_name

from ..answering import Deadline, promptly, route_class
from ..clients import client_of
from ..letter_schemas import (
    DeadCountView,
    DeadLetterPage,
    DeadLetterView,
    GroupView,
    LetterFilter,
    LetterQuery,
    ListedLetter,
    ReplayRequest,
    ReplayView,
)
from ..openapi import operation_ids
from ..problems import problems_with

PASS = 20.0
"""Seconds that a pass through a dead queue may take."""
PASSED = (
    "The replay had not come to its end after {seconds:g} s. What it has replayed stays replayed: call "
    "again for the rest, or give a smaller limit."
)
EVERY = "*"
"""Instead of a queue's name, which has no such character: all of them."""
Queue = Annotated[str, Path(description=f"A work queue; `{EVERY}` for all.")]


def routes(app: Warrener) -> APIRouter:
    """The routes under /dead-letters."""
    router = _router(route_class(app))

    def asked(queue: str) -> str:
        return queue if queue == EVERY else check_queue_name(queue, app.settings.namespace)

    async def index_of(queue: str) -> tuple[DeadLetterIndex, list[str]]:
        index = DeadLetterIndex(app.settings, client_of(app).store)
        return index, await index.queues() if asked(queue) == EVERY else [queue]

    @router.get("/dead-letters", name="count_dead_letters", responses=problems_with(503))
    async def count_dead_letters() -> list[DeadCountView]:
        """How many dead letters there are in each queue, and what became of others."""
        found = await dead_counts(client_of(app), app.queues)
        return [DeadCountView.of(count) for count in found]

    @router.get(
        "/dead-letters/{queue}", name="list_dead_letters", responses=problems_with(422, 503)
    )
    async def list_dead_letters(
        queue: Queue, wanted: Annotated[LetterQuery, Query()]
    ) -> DeadLetterPage:
        """The dead letters of a queue, the newest first."""
        index, queues = await index_of(queue)
        selection = wanted.selection(everything=True)
        page = await index.search(queues, selection, cursor=wanted.cursor, size=wanted.size)
        count = sum([await index.count(name) for name in queues])
        items = [ListedLetter.of(line) for line in page.letters]
        return DeadLetterPage(count=count, items=items, next=page.next or None)

    @router.get(
        "/dead-letters/{queue}/groups", name="group_dead_letters", responses=problems_with(422, 503)
    )
    async def group_dead_letters(
        queue: Queue, wanted: Annotated[LetterFilter, Query()]
    ) -> list[GroupView]:
        """The dead letters of a queue by cause, the largest group first."""
        index, queues = await index_of(queue)
        found = await index.groups(queues, wanted.selection(everything=True))
        return [GroupView.of(group) for group in found]

    @router.get(
        "/dead-letters/{queue}/letters/{id}",
        name="get_dead_letter",
        responses=problems_with(404, 422, 503),
    )
    async def get_dead_letter(queue: Queue, id: str) -> DeadLetterView:
        """One dead letter: arguments, every attempt, traceback."""
        index, queues = await index_of(queue)
        letter = await index.find(id, queues)
        if letter is None:
            raise DeadLetterNotFound(letter_id=id)
        return DeadLetterView.of(letter)

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
        selection = wanted.selection(everything=wanted.all)
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
