"""Queues: how full they are, paused and resumed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from warrener import Warrener
from warrener.queues import Queues, QueueState

from ..clients import client_of
from ..noting import note
from .rendering import HEADERS, page_class, render


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/queues."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/queues", name="page_queues")
    async def queues(request: Request) -> Response:
        return render(request, "queues.html", queues=await states_of(app))

    @router.post("/desk/queues/{queue}/pause", name="pause_from_page")
    async def pause(queue: str, request: Request) -> Response:
        await Queues(client_of(app)).pause(queue)
        await note(app, request, "pause", queue=queue)
        return RedirectResponse("../../queues", 303, HEADERS)

    @router.post("/desk/queues/{queue}/resume", name="resume_from_page")
    async def resume(queue: str, request: Request) -> Response:
        await Queues(client_of(app)).resume(queue)
        await note(app, request, "resume", queue=queue)
        return RedirectResponse("../../queues", 303, HEADERS)

    return router


async def states_of(app: Warrener) -> list[QueueState]:
    """The queues of the app's tasks, and of those that workers have published."""
    client = client_of(app)
    published = {entry.queue for entry in await client.catalogue.all()}
    return await Queues(client).states(sorted(published | set(app.queues)))
