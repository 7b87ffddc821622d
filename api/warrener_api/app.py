"""The router and the app around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from warrener import Warrener
from warrener.operating import OperationRunner

from .clients import client_of
from .dashboard import pages
from .documents import add_documents
from .problems import problem_of, problems_with, response_of
from .routes import (
    batches,
    dead_letters,
    events,
    health,
    jobs,
    operations,
    queues,
    schedules,
    workers,
    workflows,
)
from .security import Gate, same_site


def router(app: Warrener, *, protected: bool = True) -> APIRouter:
    """Everything under HTTP for one app, to include in a FastAPI app; it brings its lifespan, in which
    operations on dead letters are carried out, and which closes the connections at the end. It asks for
    API keys, and without any serves this machine alone; not `protected`, it serves whoever the app around
    it lets through, but for what pages of other sites have browsers send."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            async with OperationRunner(lambda: client_of(app)).working():
                yield
        finally:
            await app.close()

    guards = [Depends(Gate(app).admit if protected else same_site)]
    refusals = problems_with(401, 403) if protected else problems_with(403)
    guarded = APIRouter(dependencies=guards, responses=refusals)
    parts = (batches, events, jobs, workflows, queues, dead_letters, operations, schedules, workers)
    for part in parts:
        guarded.include_router(part.routes(app))
    if find_spec("prometheus_client"):
        from .routes import metrics

        guarded.include_router(metrics.routes(app))
    guarded.include_router(pages(app))
    whole = APIRouter(lifespan=lifespan)
    whole.include_router(guarded)
    whole.include_router(health.routes(app))
    return whole


def create_app(app: Warrener, *, protected: bool = True) -> FastAPI:
    """A FastAPI app that serves one Warrener app and nothing else; see router()."""
    fastapi_app = FastAPI(title="Warrener", version="0.1.0", openapi_url=None)
    add_documents(fastapi_app, app, protected=protected)
    fastapi_app.include_router(router(app, protected=protected))
    fastapi_app.add_exception_handler(HTTPException, _no_such_call)
    return fastapi_app


async def _no_such_call(request: Request, error: Exception) -> Response:
    """The problem for a path or a method that no route has."""
    problem = problem_of(error)
    problem.detail = f"{request.method} {request.url.path} is no call of this API: see its /docs."
    response = response_of(problem, error)
    if response.status_code == 405:
        # RFC 9110 §15.5.6: all methods. Starlette names those of the first route that has this path.
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """The methods that this path has. One that is documented as it is, such as /jobs/batch, has
    those alone, although it might be a job's too."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if documented := request.app.openapi()["paths"].get(path):
        return [method.upper() for method in documented]
    asked = [
        {**request.scope, "method": name} for name in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ]
    routes = request.app.router.routes
    return [
        one["method"]
        for one in asked
        if any(route.matches(one)[0] is Match.FULL for route in routes)
    ]
