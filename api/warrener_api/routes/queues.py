"""Queues."""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener
from warrener.queues import Queues

from ..answering import route_class
from ..clients import client_of
from ..openapi import operation_ids
from ..problems import problems_with
from ..schemas import QueueView


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
        """The queues of the app's tasks that exist on the broker."""
        states = await Queues(client_of(app)).states(app.queues)
        return [
            QueueView(name=s.name, ready=s.ready, consumers=s.consumers, dead=s.dead)
            for s in states
        ]

    return router
