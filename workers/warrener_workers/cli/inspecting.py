"""`warrener inspect`: what the workers do, hold and know."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import typer
from rich.console import RenderableType

from warrener import Warrener
from warrener.client import Client
from warrener.declared import CatalogueEntry
from warrener.presence import Presence, PresenceBoard

from .options import Json, OptionalApp, span, table_of
from .watching import Watch, present

commands = typer.Typer(help="What the workers are doing.", no_args_is_help=True)

Found = list[dict[str, Any]]


@commands.command("active")
def active(app: OptionalApp = "", watch: Watch = False, json: Json = False) -> None:
    """The jobs that run now, once they have run for a beat of their worker."""
    empty = "no job has been running for longer than a beat"
    _jobs(app, lambda worker: worker.begun, "runs for", empty, watch=watch, json=json)


@commands.command("reserved")
def reserved(app: OptionalApp = "", watch: Watch = False, json: Json = False) -> None:
    """The jobs that workers hold and have not begun, for longer than a beat. What is ready waits in
    RabbitMQ (`warrener queues`), unless a worker was given a --prefetch of more than its slots."""
    empty = "no job has been waiting in a worker for longer than a beat"
    _jobs(app, lambda worker: worker.reserved, "held for", empty, watch=watch, json=json)


def _jobs(
    app: str,
    which: Callable[[Presence], Sequence[dict[str, Any]]],
    how_long: str,
    empty: str,
    *,
    watch: bool,
    json: bool,
) -> None:
    async def look(warrener: Warrener, client: Client) -> Found:
        workers = await PresenceBoard(warrener.settings, client.store).living()
        return [{"worker": worker.name, **job} for worker in workers for job in which(worker)]

    def table(found: Found) -> RenderableType:
        now, names = time.time(), ("id", "task", "queue", "attempt", "worker")
        rows = [
            (*(job[name] for name in names), span(max(0.0, now - job["started"]))) for job in found
        ]
        return table_of(("job", *names[1:], how_long), rows, empty)

    present(app, look, table, json=json, watch=watch, plain=list)


@commands.command("registered")
def registered(app: OptionalApp = "", watch: Watch = False, json: Json = False) -> None:
    """The tasks that workers have published, and who works on their queues now."""

    async def look(warrener: Warrener, client: Client) -> Found:
        workers = await PresenceBoard(warrener.settings, client.store).living()
        return [_task(entry, workers) for entry in await client.catalogue.all()]

    def table(found: Found) -> RenderableType:
        rows = [(one["task"], one["queue"], " ".join(one["workers"]) or "none") for one in found]
        empty = "no worker has published its tasks yet"
        return table_of(("task", "queue", "workers"), rows, empty)

    present(app, look, table, json=json, watch=watch, plain=list)


def _task(entry: CatalogueEntry, workers: Sequence[Presence]) -> dict[str, Any]:
    names = [worker.name for worker in workers if entry.queue in worker.queues]
    return {"task": entry.name, "queue": entry.queue, "workers": names}
