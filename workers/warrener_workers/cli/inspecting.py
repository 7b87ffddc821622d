"""`warrener status`, `shutdown`, `inspect active`, `inspect registered`: the workers, by themselves and by
what they do and know."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from warrener import Warrener
from warrener.catalogue import CatalogueEntry
from warrener.client import Client
from warrener.presence import Presence, PresenceBoard

from .options import Json, OptionalApp, print_json, print_table, with_client

EXIT_STILL_THERE = 1

inspect = typer.Typer(help="What the workers are doing.", no_args_is_help=True)


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


@inspect.command("registered")
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


def status(
    app: OptionalApp = "",
    name: Annotated[
        str | None, typer.Option(help="Only this worker; exits 1 if it is gone.")
    ] = None,
    json: Json = False,
) -> None:
    """The living workers."""
    workers = [w for w in with_client(app, _living) if name in (None, w.name)]
    if json:
        print_json([asdict(worker) for worker in workers])
    else:
        _print(workers)
    if name is not None and not workers:
        raise typer.Exit(1)


COLUMNS = (
    "name",
    "host",
    "pid",
    "version",
    "queues",
    "busy",
    "slots",
    "pool",
    "up s",
    "seen s ago",
)


def _print(workers: list[Presence]) -> None:
    now = time.time()
    rows = [
        (
            w.name,
            w.host,
            w.pid,
            w.version,
            " ".join(w.queues),
            w.busy,
            w.slots,
            w.pool,
            round(now - w.started),
            round(now - w.seen, 1),
        )
        for w in workers
    ]
    print_table(COLUMNS, rows, "no worker lives: start one with `warrener worker QUEUE --app …`")


async def _living(app: Warrener, client: Client) -> list[Presence]:
    return await PresenceBoard(app.settings, client.store).living()


@inspect.command("active")
def active(app: OptionalApp = "", json: Json = False) -> None:
    """The jobs that run now, once they have run for a beat of their worker."""
    running = [
        {"worker": worker.name, **job}
        for worker in with_client(app, _living)
        for job in worker.running
    ]
    if json:
        print_json(running)
        return
    now = time.time()
    columns = ("job", "task", "queue", "attempt", "worker", "runs for s")
    rows = [
        (j["id"], j["task"], j["queue"], j["attempt"], j["worker"], round(now - j["started"], 1))
        for j in running
    ]
    print_table(columns, rows, "no job has been running for longer than a beat")
