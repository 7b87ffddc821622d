"""The overview: what needs attention, what was done in the last hour, and who works."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from warrener import Warrener
from warrener.presence import PresenceBoard
from warrener.publishing import Publisher
from warrener.stats import Stats, together

from ..clients import client_of
from . import plots
from .attention import Found, notices
from .queues import states_of
from .rendering import HEADERS, page_class, render

HOUR = 60
"""Minutes."""


def routes(app: Warrener) -> APIRouter:
    """The overview and the workers, and what they draw."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/", name="page_overview")
    async def overview(request: Request) -> Response:
        client = client_of(app)
        minutes = await Stats(app.settings, client.store).minutes(client.clock(), HOUR)
        board = PresenceBoard(app.settings, client.store)
        workers, lost = await board.living(), await board.lost(client.clock())
        publisher = client.publisher
        blocked = isinstance(publisher, Publisher) and await publisher.is_blocked()
        queues = await states_of(app)
        hour = together(minutes)
        return render(
            request,
            "overview.html",
            notices=notices(Found(queues, workers, minutes, lost, blocked)),
            hour=hour,
            queues=queues,
            workers=workers,
            now=client.clock(),
            stamp=int(client.clock()) // 15,
        )

    @router.get("/desk/plots/{name}.svg", name="page_plot")
    async def plot(name: plots.Name) -> Response:
        client = client_of(app)
        minutes = await Stats(app.settings, client.store).minutes(client.clock(), HOUR)
        picture = plots.draw(name, minutes, client.clock())
        # Its own styles are in it: as a picture it runs nothing, whatever its policy says.
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(picture, headers={**HEADERS, **policy}, media_type="image/svg+xml")

    return router
