"""Operations on dead letters, as far as they are, and the audit trail."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from warrener import Warrener
from warrener.asking import cancel
from warrener.audit import AuditTrail
from warrener.operations import Operations

from ..clients import client_of
from ..security import caller_of
from .rendering import HEADERS, page_class, render

PAGE = 100
_ENTRY = re.compile(r"\d{1,15}-\d{1,15}")


def routes(app: Warrener) -> APIRouter:
    """The pages below /desk/operations, and /desk/audit."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    def operations() -> Operations:
        return Operations(app.settings, client_of(app).store)

    @router.get("/desk/operations", name="page_operations")
    async def every(request: Request) -> Response:
        return render(request, "operations.html", operations=await operations().newest(PAGE))

    @router.get("/desk/operations/{operation_id}", name="page_operation")
    async def one(request: Request, operation_id: str) -> Response:
        return render(request, "operation.html", one=await operations().find(operation_id))

    @router.post("/desk/operations/{operation_id}/cancel", name="cancel_deed")
    async def end(request: Request, operation_id: str) -> Response:
        await cancel(client_of(app), operation_id, f"desk:{caller_of(request).name}")
        return RedirectResponse(f"../{operation_id}", 303, HEADERS)

    @router.get("/desk/audit", name="page_audit")
    async def audit(request: Request, before: str = "") -> Response:
        before = before if _ENTRY.fullmatch(before) else ""
        entries = await AuditTrail(app.settings, client_of(app).store).read(PAGE, before)
        return render(request, "audit.html", deeds=entries, more=len(entries) == PAGE)

    return router
