"""The audit trail of what is done over HTTP and in the dashboard."""

from __future__ import annotations

from fastapi import Request

from warrener import Warrener
from warrener.audit import AuditTrail

from .clients import client_of
from .security import caller_of


def who(request: Request) -> str:
    """Who calls, for the audit trail: by which way, and the name of the key."""
    pages = request.scope["route"].path_format.startswith("/desk/")
    return f"{'desk' if pages else 'http'}:{caller_of(request).name}"


async def note(app: Warrener, request: Request, what: str, **facts: object) -> None:
    """Leave in the audit trail that the caller has done this."""
    await AuditTrail(app.settings, client_of(app).store).note(who(request), what, **facts)
