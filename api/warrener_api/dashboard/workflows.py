"""A workflow's page: its tree, how far it is, and ending it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from warrener import Warrener, WorkflowEnded, WorkflowNotFound
from warrener.ids import is_job_id
from warrener.workflow_handles import NodeStatus

from ..noting import note
from .rendering import HEADERS, page_class, render

MOST = 500
"""Parts that are shown; a group may have many thousands."""
_ENDED = ("SUCCESS", "FAILURE", "REVOKED")


@dataclass(frozen=True, slots=True)
class Row:
    """A part, as far down as it stands in the tree."""

    depth: int
    node: NodeStatus
    hidden: int
    """How many of its parts are not shown."""


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/workflows."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/workflows/{flow_id}", name="page_workflow")
    async def workflow(request: Request, flow_id: str) -> Response:
        if not is_job_id(flow_id):
            raise WorkflowNotFound(workflow_id=flow_id[:128])
        status = await app.workflow(flow_id).status()
        rows = rows_of([status.tree, *status.callbacks])
        ended = status.state in _ENDED
        return render(request, "workflow.html", flow=status, rows=rows, ended=ended)

    @router.post("/desk/workflows/{flow_id}/revoke", name="revoke_workflow_from_page")
    async def revoke(flow_id: str, request: Request) -> Response:
        if not is_job_id(flow_id):
            raise WorkflowNotFound(workflow_id=flow_id[:128])
        with suppress(WorkflowEnded):  # its page says so
            await app.workflow(flow_id).revoke()
            await note(app, request, "revoke", workflow=flow_id)
        return RedirectResponse(f"../{quote(flow_id, safe='')}", 303, HEADERS)

    return router


def rows_of(nodes: list[NodeStatus]) -> list[Row]:
    """The parts from the top down, the first of them."""
    rows: list[Row] = []
    left = [(0, node) for node in reversed(nodes)]
    while left and len(rows) < MOST:
        depth, node = left.pop()
        room = MOST - len(rows)
        rows.append(Row(depth, node, max(0, len(node.children) - room)))
        left += [(depth + 1, child) for child in reversed(node.children[:room])]
    return rows
