"""`warrener status`, `ping`, `shutdown`: the workers by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from warrener import Warrener
from warrener.client import Client
from warrener.pinging import Pong
from warrener.pinging import ping as ask
from warrener.presence import Presence, PresenceBoard

from .noting import note
from .options import Json, OptionalApp, print_json, print_table, span, table_of, with_client
from .watching import Watch, present

EXIT_GONE = 1
EXIT_STILL_THERE = 1
EXIT_NO_ANSWER = 1
NONE = "no worker lives: start one with `warrener worker QUEUE --app …`"


def status(
    app: OptionalApp = "",
    name: Annotated[
        str | None, typer.Option(help="Only this worker; exits 1 if it is gone.")
    ] = None,
    watch: Watch = False,
    json: Json = False,
) -> None:
    """The living workers."""

    async def look(warrener: Warrener, client: Client) -> list[Presence]:
        workers = await PresenceBoard(warrener.settings, client.store).living()
        return [worker for worker in workers if name in (None, worker.name)]

    found = present(app, look, _table, json=json, watch=watch, plain=_plain)
    if found == [] and name is not None:
        raise typer.Exit(EXIT_GONE)


def _plain(workers: Sequence[Presence]) -> Any:
    return [asdict(worker) for worker in workers]


def _table(workers: Sequence[Presence]) -> RenderableType:
    now = time.time()
    columns = (
        *("name", "host", "pid", "version", "queues", "busy", "slots", "pool"),
        *("memory", "up", "seen"),
    )
    rows = [
        (
            *(w.name, w.host, w.pid, w.version, " ".join(w.queues), w.busy, w.slots, w.pool),
            f"{w.memory / 2**20:.0f} MB" if w.memory else "",
            span(max(0.0, now - w.started)),
            f"{span(max(0.0, now - w.seen))} ago",
        )
        for w in workers
    ]
    return table_of(columns, rows, NONE)


def ping(
    name: Annotated[str, typer.Argument(help="Only this worker.")] = "",
    app: OptionalApp = "",
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds to wait for answers.")
    ] = 5.0,
    json: Json = False,
) -> None:
    """Ask the workers whether they hear; exits 1 unless there are some and all have answered."""

    async def call(_: Warrener, client: Client) -> list[Pong]:
        return await ask(client, timeout, name)

    found = with_client(app, call)
    if json:
        print_json([{"name": one.worker.name, "seconds": one.seconds} for one in found])
    else:
        rows = [
            (
                one.worker.name,
                "no answer" if one.seconds is None else f"{one.seconds * 1000:.0f} ms",
            )
            for one in found
        ]
        print_table(("worker", "answered after"), rows, NONE)
    if not found or any(one.seconds is None for one in found):
        raise typer.Exit(EXIT_NO_ANSWER)


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
        await note(client, "shutdown", worker=name)
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
