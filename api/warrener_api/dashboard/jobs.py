"""Jobs: listed, found by id, shown with all that is known of them, and revoked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from pydantic_core import to_json

from warrener import JobEnded, JobNotFound, State, Warrener
from warrener.client import Client
from warrener.flow import Flow
from warrener.ids import is_job_id
from warrener.listing import Listing
from warrener.records import JobStatus

from ..clients import client_of
from ..job_schemas import JobQuery
from ..noting import note
from ..problems import BadRequest
from .forms import form_of
from .rendering import HEADERS, page_class, render

PAGE = 50
LONGEST_RESULT = 20_000
"""Characters of a result that are shown."""


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/jobs."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/jobs", name="page_jobs")
    async def jobs(request: Request) -> Response:
        facts = {name: text.strip() for name, text in request.query_params.items() if text.strip()}
        if job_id := facts.pop("id", ""):
            return RedirectResponse(f"jobs/{quote(job_id, safe='')}", 303, HEADERS)
        wanted = _query(facts)
        listing = Listing(app.settings, client_of(app).store)
        page = await listing.page(wanted.wanted, wanted.cursor, PAGE)
        facts.pop("cursor", None)
        return render(
            request,
            "jobs.html",
            facts=facts,
            page=page,
            states=list(State),
            older=urlencode({**facts, "cursor": page.cursor}) if page.cursor else "",
        )

    @router.get("/desk/jobs/{job_id}", name="page_job")
    async def job(request: Request, job_id: str) -> Response:
        client = client_of(app)
        status = await client.status(job_id) if is_job_id(job_id) else None
        if status is None:
            raise JobNotFound(job_id=job_id[:128])
        status = await Flow(app.settings, client.store).explained(status)
        return render(
            request,
            "job.html",
            job=status,
            result=_result(status),
            steps=timeline(status),
            workflow=await _workflow_of(client, job_id),
        )

    _add_revoke(router, app)
    return router


def _add_revoke(router: APIRouter, app: Warrener) -> None:
    @router.post("/desk/jobs/{job_id}/revoke", name="revoke_from_page")
    async def revoke(request: Request, job_id: str) -> Response:
        facts = await form_of(request)
        if not is_job_id(job_id):
            raise JobNotFound(job_id=job_id[:128])
        reason = facts.get("reason", "").strip()[:200] or "revoked"
        try:
            terminate = facts.get("terminate") == "yes"
            await client_of(app).revoke(job_id, reason, terminate=terminate)
            await note(app, request, "revoke", job=job_id, reason=reason)
        except JobEnded:
            pass  # its page says so
        return RedirectResponse(f"../{quote(job_id, safe='')}", 303, HEADERS)


async def _workflow_of(client: Client, job_id: str) -> str:
    """The id of the workflow that a job is a part of; empty of one of its own."""
    [part] = await client.store.send([("HGET", client.store.keys.job(job_id), "workflow")])
    return part.decode().partition("/")[0] if isinstance(part, bytes) else ""


def _query(facts: dict[str, str]) -> JobQuery:
    known = {name: facts[name] for name in ("state", "queue", "task", "cursor") if name in facts}
    try:
        return JobQuery.model_validate(
            {**known, "state": [known["state"]]} if "state" in known else known
        )
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise BadRequest(422, "invalid-request", "; ".join(faults)) from error


def _result(status: JobStatus) -> str:
    text = to_json(status.result, indent=2).decode()
    return text if len(text) <= LONGEST_RESULT else f"{text[:LONGEST_RESULT]}\n… (cut)"


def timeline(status: JobStatus) -> list[tuple[float, str, str]]:
    """What happened to a job: when, what, and what was said."""
    steps: list[tuple[float, str, str]] = []
    if status.created is not None:
        steps.append((status.created, "submitted", ""))
    for one in status.attempts:
        steps += _attempt(one)
    if status.started is not None and not any(step[0] == status.started for step in steps):
        steps.append((status.started, f"attempt {status.attempt} began", status.worker or ""))
    if status.is_terminal and status.finished is not None:
        steps.append((status.finished, status.state.value, status.reason or ""))
    if status.due is not None:
        steps.append(
            (status.due, "due", f"attempt {status.attempt + (status.state is State.RETRY)}")
        )
    return sorted(steps, key=lambda step: step[0])


def _attempt(one: dict[str, Any]) -> list[tuple[float, str, str]]:
    number, error = one.get("attempt", "?"), f"{one.get('type', '')}: {one.get('message', '')}"
    found = []
    if isinstance(one.get("started"), int | float):
        found.append((float(one["started"]), f"attempt {number} began", str(one.get("worker", ""))))
    if isinstance(one.get("finished"), int | float):
        found.append((float(one["finished"]), f"attempt {number} failed", error))
    return found
