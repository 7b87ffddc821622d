"""Workers: who lives, what each does, and having one end."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from warrener import Warrener
from warrener.presence import PresenceBoard

from ..clients import client_of
from ..noting import note
from .forms import form_of
from .rendering import HEADERS, page_class, render


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/workers."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/workers", name="page_workers")
    async def workers(request: Request) -> Response:
        client = client_of(app)
        board = PresenceBoard(app.settings, client.store)
        found, lost = await board.living(), await board.lost(client.clock())
        return render(request, "workers.html", workers=found, lost=lost, now=client.clock())

    # The name is a field and no part of the path, since a browser takes away a part such as "..".
    @router.post("/desk/workers/shutdown", name="shutdown_from_page")
    async def shutdown(request: Request) -> Response:
        name = (await form_of(request)).get("name", "")
        await PresenceBoard(app.settings, client_of(app).store).ask_to_stop(name)
        await note(app, request, "shutdown", worker=name)
        return RedirectResponse("../workers", 303, HEADERS)

    return router
