"""Workers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from warrener import Warrener
from warrener.presence import Presence, PresenceBoard

from ..answering import route_class
from ..clients import client_of
from ..noting import note
from ..openapi import operation_ids
from ..problems import problems_with
from ..schemas import time_view


class WorkerView(BaseModel):
    """A living worker, as it described itself on its last beat. `running` are the jobs that it has held for
    longer than one, of which a process has `begun` all but the reserved; `memory` the bytes that its
    processes hold, 0 where nobody says."""

    name: str
    host: str
    pid: int
    version: str
    queues: list[str]
    pool: str
    slots: int
    busy: int
    memory: int
    started: datetime | None
    seen: datetime | None
    running: list[dict[str, Any]]


def routes(app: Warrener) -> APIRouter:
    """The routes under /workers."""
    router = APIRouter(
        prefix="/workers",
        tags=["workers"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/workers"),
    )

    @router.get("", name="list_workers", responses=problems_with(503))
    async def list_workers() -> list[WorkerView]:
        """The living workers, by name."""
        workers = await PresenceBoard(app.settings, client_of(app).store).living()
        return [_view(worker) for worker in workers]

    @router.post(
        "/{name:path}/shutdown",  # a name may have a slash, sent as %2F
        name="shut_worker_down",
        status_code=202,
        responses=problems_with(404, 422, 503),
    )
    async def shutdown(name: str, request: Request) -> WorkerView:
        """Have a worker finish what runs and end, as by SIGTERM: it hears it within a beat."""
        worker = await PresenceBoard(app.settings, client_of(app).store).ask_to_stop(name)
        await note(app, request, "shutdown", worker=name)
        return _view(worker)

    return router


def _view(worker: Presence) -> WorkerView:
    plain = ("name", "host", "pid", "version", "queues", "pool", "slots", "busy", "memory")
    named = ("id", "task", "queue", "attempt", "started")
    return WorkerView(
        **{name: getattr(worker, name) for name in plain},
        started=time_view(worker.started),
        seen=time_view(worker.seen),
        running=[
            {**{name: job[name] for name in named}, "begun": job.get("begun", True)}
            for job in worker.running
        ],
    )
