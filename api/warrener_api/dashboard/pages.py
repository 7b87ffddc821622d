"""All pages."""

from __future__ import annotations

from fastapi import APIRouter

from warrener import Warrener

from . import (
    dead,
    jobs,
    operations,
    overview,
    queues,
    schedules,
    signing_in,
    workers,
    workflows,
)


def pages(app: Warrener) -> APIRouter:
    """The dashboard of one app, to include at the root of the API."""
    router = APIRouter(include_in_schema=False)
    parts = (overview, jobs, queues, dead, operations, schedules, signing_in, workers, workflows)
    for part in parts:
        router.include_router(part.routes(app))
    return router
