"""`warrener audit`: who did what to which messages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from warrener import Warrener
from warrener.audit import KEPT, AuditEntry, AuditTrail
from warrener.client import Client

from .options import Json, OptionalApp, moment, print_json, print_table, with_client


def audit(
    app: OptionalApp = "",
    limit: Annotated[int, typer.Option(min=1, max=KEPT, help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """Who did what to which messages, the newest first. The last 10,000 entries are kept."""

    async def call(warrener: Warrener, client: Client) -> list[AuditEntry]:
        return await AuditTrail(warrener.settings, client.store).read(limit)

    found = with_client(app, call)
    if json:
        print_json([{**asdict(entry), "at": entry.at} for entry in found])
        return
    rows = [(moment(x.at), x.who, x.what, *_brief(x.facts)) for x in found]
    print_table(
        ("at", "who", "what", "queue", "which", "why"), rows, "nobody has done anything yet"
    )


def _brief(facts: dict[str, Any]) -> tuple[str, str, str]:
    """The queue, which letters, and why; of many ids the first, and how many there are."""
    queue, why, ids = (facts.get(name) for name in ("queue", "reason", "ids"))
    which = facts.get("selection") or facts.get("operation", "")
    if isinstance(ids, list) and ids:
        which = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
    text = which if isinstance(which, str) else to_json(which).decode()
    return str(queue or ""), text[:60], str(why or "")
