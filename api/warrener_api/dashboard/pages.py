"""All pages."""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener

from . import dead, jobs, operations, overview, queues, signing_in


def pages(app: Warrener) -> APIRouter:
    """The dashboard of one app, to include at the root of the API."""
    router = APIRouter(include_in_schema=False)
    for part in (overview, jobs, queues, dead, operations, signing_in):
        router.include_router(part.routes(app))
    return router
