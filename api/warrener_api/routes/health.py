"""Health: is this process alive, and can it serve?"""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener

from ..problems import ProblemRoute, problems_with
from .jobs import client_of


def routes(app: Warrener) -> APIRouter:
    """/healthz and /readyz."""
    router = APIRouter(tags=["health"], route_class=ProblemRoute)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """This process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses=problems_with(503))
    async def readyz() -> dict[str, str]:
        """RabbitMQ and Redis answer."""
        client = client_of(app)
        await client.store.ping()
        await client.publisher.ready()
        return {"status": "ready"}

    return router
