"""`warrener audit`: who did what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from warrener import Warrener
from warrener.audit import KEPT, AuditEntry, AuditTrail
from warrener.client import Client

from .options import Json, OptionalApp, moment, print_json, print_table, with_client


def audit(
    app: OptionalApp = "",
    limit: Annotated[int, typer.Option(min=1, max=KEPT, help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """Who did what to letters, jobs, queues, schedules, workers, the newest first. 10,000 are kept."""

    async def call(warrener: Warrener, client: Client) -> list[AuditEntry]:
        return await AuditTrail(warrener.settings, client.store).read(limit)

    found = with_client(app, call)
    if json:
        print_json([{**asdict(entry), "at": entry.at} for entry in found])
        return
    rows = []
    for entry in found:
        queue, which, why = entry.brief
        rows.append((moment(entry.at), entry.who, entry.what, queue, which[:60], why))
    print_table(
        ("at", "who", "what", "queue", "which", "why"), rows, "nobody has done anything yet"
    )
