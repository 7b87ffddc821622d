"""Schedules: when each is due, paused, resumed, and run now."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic_core import to_json

from warrener import Warrener
from warrener.listed_schedules import Schedules

from ..clients import client_of
from ..noting import note
from .rendering import HEADERS, page_class, render


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/schedules."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/schedules", name="page_schedules")
    async def schedules(request: Request) -> Response:
        client = client_of(app)
        known = Schedules(app, client)
        listed, unreadable = await known.all()
        found = [(one, _call(one.facts())) for one in listed]
        leader = await known.leader()
        return render(
            request, "schedules.html", schedules=found, unreadable=unreadable, leader=leader
        )

    @router.post("/desk/schedules/{name}/pause", name="pause_schedule_from_page")
    async def pause(name: str, request: Request) -> Response:
        await Schedules(app, client_of(app)).pause(name, paused=True)
        await note(app, request, "pause", schedule=name)
        return RedirectResponse("../../schedules", 303, HEADERS)

    @router.post("/desk/schedules/{name}/resume", name="resume_schedule_from_page")
    async def resume(name: str, request: Request) -> Response:
        await Schedules(app, client_of(app)).pause(name, paused=False)
        await note(app, request, "resume", schedule=name)
        return RedirectResponse("../../schedules", 303, HEADERS)

    @router.post("/desk/schedules/{name}/run", name="run_schedule_from_page")
    async def run(name: str, request: Request) -> Response:
        client = client_of(app)
        await client.store.check_writable()
        job_id = await Schedules(app, client).fire_now(name)
        await note(app, request, "fire", schedule=name)
        return RedirectResponse(f"../../jobs/{quote(job_id, safe='')}", 303, HEADERS)

    return router


def _call(facts: dict[str, object]) -> str:
    """The arguments of a tick's call, as far as they are short."""
    text = to_json(facts["kwargs"] or facts["args"]).decode()
    return text if len(text) <= 200 else f"{text[:200]}…"
