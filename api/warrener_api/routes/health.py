"""Health: is this process alive, and can it serve?"""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener

from ..answering import Deadline, route_class
from ..clients import client_of
from ..openapi import operation_ids
from ..problems import problems_with

PROBE = 2.0
"""Seconds in which whoever probes wants an answer."""


def routes(app: Warrener) -> APIRouter:
    """/healthz and /readyz."""
    router = APIRouter(
        tags=["health"],
        route_class=route_class(app, _probed),
        generate_unique_id_function=operation_ids("/"),
    )

    @router.get("/healthz", name="is_alive")
    async def healthz() -> dict[str, str]:
        """This process answers."""
        return {"status": "ok"}

    @router.get("/readyz", name="is_ready", responses=problems_with(503))
    async def readyz() -> dict[str, str]:
        """RabbitMQ answers, and Redis takes writes."""
        client = client_of(app)
        await client.store.check_writable()
        await client.publisher.ready()
        return {"status": "ready"}

    return router


def _probed(app: Warrener) -> Deadline:
    return Deadline(min(PROBE, app.settings.request_timeout))
