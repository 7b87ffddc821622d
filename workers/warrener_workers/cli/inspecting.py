"""`warrener shutdown`, `inspect registered`: the workers, by themselves and by what they know."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import typer

from warrener import Warrener
from warrener.catalogue import CatalogueEntry
from warrener.client import Client
from warrener.presence import Presence, PresenceBoard

from .options import Json, OptionalApp, print_json, print_table, with_client

EXIT_STILL_THERE = 1


def shutdown(
    name: Annotated[str, typer.Argument(help="The worker's name, as in `warrener status`.")],
    app: OptionalApp = "",
    wait: Annotated[
        float, typer.Option(min=0, max=86_400, help="Seconds to wait until it has gone.")
    ] = 60.0,
    json: Json = False,
) -> None:
    """Have a worker finish what runs and end, as by SIGTERM. A supervisor may start it again."""

    async def call(warrener: Warrener, client: Client) -> tuple[Presence, bool]:
        board = PresenceBoard(warrener.settings, client.store)
        found = await board.ask_to_stop(name)
        end = time.monotonic() + wait
        while await board.of(found.owner) is not None:
            if time.monotonic() >= end:
                return found, False
            await asyncio.sleep(0.2)
        return found, True

    worker, gone = with_client(app, call)
    if json:
        print_json({"name": worker.name, "owner": worker.owner, "gone": gone})
    elif gone:
        typer.echo(f"{name} has ended")
    else:
        typer.echo(f"{name} was asked to stop, and is still there after {wait:g} s")
    if not gone:
        raise typer.Exit(EXIT_STILL_THERE)


def registered(app: OptionalApp = "", json: Json = False) -> None:
    """The tasks that workers have published, and who works on their queues now."""

    async def call(
        warrener: Warrener, client: Client
    ) -> tuple[list[CatalogueEntry], list[Presence]]:
        board = PresenceBoard(warrener.settings, client.store)
        return await client.catalogue.all(), await board.living()

    entries, workers = with_client(app, call)
    found: list[dict[str, Any]] = [
        {
            "task": entry.name,
            "queue": entry.queue,
            "workers": [worker.name for worker in workers if entry.queue in worker.queues],
        }
        for entry in entries
    ]
    if json:
        print_json(found)
        return
    rows = [(one["task"], one["queue"], " ".join(one["workers"]) or "none") for one in found]
    print_table(("task", "queue", "workers"), rows, "no worker has published its tasks yet")
