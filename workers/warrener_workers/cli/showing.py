"""A job, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic_core import to_json

from warrener import JobStatus, State

from .following import shown
from .options import moment, print_fact, print_json, print_text


def show(status: JobStatus, json: bool) -> None:
    """Print a job as recorded."""
    if json:
        print_json({**asdict(status), "replays": status.replays})
        return
    rows: list[tuple[str, Any]] = [
        ("job", status.id),
        ("task", status.task),
        ("queue", status.queue),
        ("state", status.state.value),
        ("attempt", status.attempt),
        ("replayed", status.replays or None),
        ("worker", status.worker),
        ("created", moment(status.created)),
        ("due", moment(status.due)),
        ("started", moment(status.started)),
        ("finished", moment(status.finished)),
        ("progress", status.progress and shown(status.progress)),
        ("revoked because", status.reason),
        ("waits for", status.waits_for),
        *(("edited", _edited(edit)) for edit in status.edits),
        ("discarded", status.discarded and _discarded(status.discarded)),
        ("error", status.error and f"{status.error.type}: {status.error.message}"),
    ]
    for name, value in rows:
        if value:
            print_fact(name, value, 16)
    if status.state is State.SUCCESS:
        # Pydantic's JSON, as everywhere: whole numbers may be longer than 64 bits.
        result = "(expired)" if status.result_expired else to_json(status.result).decode()
        print_fact("result", result, 16)
    if status.error and status.error.traceback:
        print_text(status.error.traceback)


def _edited(edit: dict[str, Any]) -> str:
    return f"{moment(edit['at'])} by {edit['by']}"


def _discarded(facts: dict[str, Any]) -> str:
    return f"{moment(facts['at'])} by {facts['by']}: {facts['reason']}"
