"""Schedules: what `warrener beat` submits, and when."""

from __future__ import annotations

from fastapi import APIRouter, Request

from warrener import Warrener
from warrener.listed_schedules import Schedules

from ..answering import may_arrive, route_class
from ..clients import client_of
from ..noting import note
from ..openapi import operation_ids
from ..problems import problems_with
from ..published import others
from ..schedule_schemas import (
    FiredView,
    NewSchedule,
    ScheduleList,
    SchedulePatch,
    ScheduleRequest,
    ScheduleView,
    UnreadableView,
)

BODY = (400, 409, 413, 415, 422, 503)


def routes(app: Warrener) -> APIRouter:
    """The routes under /schedules."""
    router = APIRouter(
        prefix="/schedules",
        tags=["schedules"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/schedules"),
    )

    _add_reading(router, app)
    _add_defining(router, app)
    _add_operating(router, app)
    return router


def _schedules(app: Warrener) -> Schedules:
    return Schedules(app, client_of(app))


async def _view(app: Warrener, name: str) -> ScheduleView:
    return ScheduleView.of(await _schedules(app).find(name))


def _add_reading(router: APIRouter, app: Warrener) -> None:
    @router.get("", name="list_schedules", responses=problems_with(503))
    async def list_schedules() -> ScheduleList:
        """All schedules: when each is due next, its last job, and which beat leads."""
        found, unreadable = await _schedules(app).all()
        return ScheduleList(
            leader=await _schedules(app).leader(),
            schedules=[ScheduleView.of(one) for one in found],
            unreadable=[UnreadableView(name=one.name, reason=one.reason) for one in unreadable],
        )

    @router.get("/{name}", name="get_schedule", responses=problems_with(404, 422, 503))
    async def get(name: str) -> ScheduleView:
        """One schedule."""
        return await _view(app, name)


def _add_defining(router: APIRouter, app: Warrener) -> None:
    @router.post("", name="add_schedule", status_code=201, responses=problems_with(*BODY))
    async def add(wanted: NewSchedule, request: Request) -> ScheduleView:
        """Make a schedule, kept in Redis beside those in code."""
        found = await others(app, [wanted.task])
        await _schedules(app).add(wanted.scheduled(app, found, wanted.name))
        await note(app, request, "add", schedule=wanted.name)
        return await _view(app, wanted.name)

    @router.put("/{name}", name="change_schedule", responses=problems_with(404, *BODY))
    async def change(name: str, wanted: ScheduleRequest, request: Request) -> ScheduleView:
        """Define a schedule anew. One in code is changed there: 409."""
        found = await others(app, [wanted.task])
        await _schedules(app).change(wanted.scheduled(app, found, name))
        await note(app, request, "change", schedule=name)
        return await _view(app, name)

    @router.patch("/{name}", name="pause_schedule", responses=problems_with(404, *BODY))
    async def pause(name: str, wanted: SchedulePatch, request: Request) -> ScheduleView:
        """Pause or resume a schedule, also one in code."""
        await _schedules(app).pause(name, paused=wanted.paused)
        await note(app, request, "pause" if wanted.paused else "resume", schedule=name)
        return await _view(app, name)


def _add_operating(router: APIRouter, app: Warrener) -> None:
    @router.delete(
        "/{name}",
        name="remove_schedule",
        status_code=204,
        responses=problems_with(404, 409, 422, 503),
    )
    async def remove(name: str, request: Request) -> None:
        """Forget a schedule. One in code is removed there: 409."""
        await _schedules(app).remove(name)
        await note(app, request, "remove", schedule=name)

    @router.post(
        "/{name}/fire",
        name="fire_schedule",
        status_code=202,
        responses=problems_with(404, 409, 422, 503),
    )
    async def fire(name: str, request: Request) -> FiredView:
        """Submit its call once, now, beside its ticks and whatever its policies say."""
        await client_of(app).store.check_writable()
        may_arrive(request)
        job_id = await _schedules(app).fire_now(name)
        await note(app, request, "fire", schedule=name)
        return FiredView(job_id=job_id)
