"""Dead letters: counted, listed, grouped and shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from warrener import DeadLetterNotFound, Warrener
from warrener.dead_counts import dead_counts
from warrener.letter_index import PATIENCE, DeadLetterIndex
from warrener.topology import check_queue_name

from ..answering import route_class
from ..clients import client_of
from ..letter_schemas import (
    DeadCountView,
    DeadLetterPage,
    DeadLetterView,
    GroupView,
    LetterFilter,
    LetterQuery,
    ListedLetter,
)
from ..openapi import operation_ids
from ..problems import problems_with
from ..schemas import time_view

EVERY = "*"
"""Instead of a queue's name, which has no such character: all of them."""
Queue = Annotated[str, Path(description=f"A work queue; `{EVERY}` for all.")]


def routes(app: Warrener) -> APIRouter:
    """The routes under /dead-letters."""
    router = APIRouter(
        tags=["dead letters"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/dead-letters"),
    )

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
        """The dead letters of a queue, the newest first. A page that takes long to fill, as of a text that
        few have, ends early, and `looked_back_to` says when; `next` goes on there."""
        index, queues = await _index_of(app, queue)
        selection = wanted.selection(everything=True)
        page = await index.search(
            queues, selection, cursor=wanted.cursor, size=wanted.size, patience=PATIENCE
        )
        count = sum([await index.count(name) for name in queues])
        items = [ListedLetter.of(line) for line in page.letters]
        cut = None if page.cut is None else time_view(page.cut)
        return DeadLetterPage(count=count, items=items, next=page.next or None, looked_back_to=cut)

    _add_looking_closer(router, app)
    return router


async def _index_of(app: Warrener, queue: str) -> tuple[DeadLetterIndex, list[str]]:
    """The index, and the queues that are meant."""
    index = DeadLetterIndex(app.settings, client_of(app).store)
    if queue == EVERY:
        return index, await index.queues()
    return index, [check_queue_name(queue, app.settings.namespace)]


def _add_looking_closer(router: APIRouter, app: Warrener) -> None:
    @router.get(
        "/dead-letters/{queue}/groups", name="group_dead_letters", responses=problems_with(422, 503)
    )
    async def group_dead_letters(
        queue: Queue, wanted: Annotated[LetterFilter, Query()]
    ) -> list[GroupView]:
        """The dead letters of a queue by cause, the largest group first."""
        index, queues = await _index_of(app, queue)
        found = await index.groups(queues, wanted.selection(everything=True))
        return [GroupView.of(group) for group in found]

    @router.get(
        "/dead-letters/{queue}/letters/{id}",
        name="get_dead_letter",
        responses=problems_with(404, 422, 503),
    )
    async def get_dead_letter(queue: Queue, id: str) -> DeadLetterView:
        """One dead letter: arguments, every attempt, traceback."""
        index, queues = await _index_of(app, queue)
        letter = await index.find(id, queues)
        if letter is None:
            raise DeadLetterNotFound(letter_id=id)
        return DeadLetterView.of(letter)
