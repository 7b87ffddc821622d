"""The router and the app around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from warrener import Warrener

from .problems import problem_of, response_of
from .routes import dead_letters, health, jobs, queues


def router(app: Warrener) -> APIRouter:
    """Everything under HTTP for one app, to include in a FastAPI app; it brings its lifespan, which
    closes the connections at the end."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await app.close()

    whole = APIRouter(lifespan=lifespan)
    for part in (jobs, queues, dead_letters, health):
        whole.include_router(part.routes(app))
    return whole


def create_app(app: Warrener) -> FastAPI:
    """A FastAPI app that serves one Warrener app and nothing else."""
    fastapi_app = FastAPI(title="Warrener", version="0.1.0")
    fastapi_app.include_router(router(app))
    fastapi_app.add_exception_handler(HTTPException, _no_such_call)
    return fastapi_app


async def _no_such_call(request: Request, error: Exception) -> Response:
    """The problem for a path or a method that no route has."""
    problem = problem_of(error)
    problem.detail = f"{request.method} {request.url.path} is no call of this API: see its /docs."
    return response_of(problem, error)
