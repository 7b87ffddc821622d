"""Queues."""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener
from warrener.queues import Queues

from ..problems import Problem, ProblemRoute
from ..schemas import QueueView
from .jobs import client_of


def routes(app: Warrener) -> APIRouter:
    """The routes under /queues."""
    router = APIRouter(prefix="/queues", tags=["queues"], route_class=ProblemRoute)

    @router.get("", responses={503: {"model": Problem}})
    async def list_queues() -> list[QueueView]:
        """The queues of the app's tasks that exist on the broker."""
        states = await Queues(client_of(app)).states(app.queues)
        return [
            QueueView(name=s.name, ready=s.ready, consumers=s.consumers, dead=s.dead)
            for s in states
        ]

    return router
