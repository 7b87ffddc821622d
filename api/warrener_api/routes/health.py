"""Health: is this process alive, and can it serve?"""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener

from ..answering import route_class
from ..openapi import operation_ids
from ..problems import problems_with
from .jobs import client_of


def routes(app: Warrener) -> APIRouter:
    """/healthz and /readyz."""
    router = APIRouter(
        tags=["health"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/"),
    )

    @router.get("/healthz", name="is_alive")
    async def healthz() -> dict[str, str]:
        """This process answers."""
        return {"status": "ok"}

    @router.get("/readyz", name="is_ready", responses=problems_with(503))
    async def readyz() -> dict[str, str]:
        """RabbitMQ and Redis answer."""
        client = client_of(app)
        await client.store.ping()
        await client.publisher.ready()
        return {"status": "ready"}

    return router
