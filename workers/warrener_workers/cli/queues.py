"""`warrener queues`, `purge`, `topology`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from warrener import Warrener, topology
from warrener.client import Client
from warrener.flow import Flow
from warrener.limits import QueueRules
from warrener.migrating import MigrationReport, Migrator
from warrener.queues import PurgeReport, Queues, QueueState
from warrener.topology import Topology

from .noting import note
from .options import (
    AppPath,
    Json,
    OptionalApp,
    known_queues,
    print_json,
    print_table,
    span,
    table_of,
    with_client,
)
from .watching import Watch, present

topology_commands = typer.Typer(help="Exchanges, queues and bindings.", no_args_is_help=True)


def queues(app: OptionalApp = "", watch: Watch = False, json: Json = False) -> None:
    """How full the queues are, and how fast they move."""

    async def look(warrener: Warrener, client: Client) -> tuple[list[QueueState], list[str]]:
        states = await Queues(client).states(await known_queues(warrener, client))
        return states, await Flow(client.settings, client.store).full()

    def plain(found: tuple[list[QueueState], list[str]]) -> list[dict[str, Any]]:
        return [asdict(state) for state in found[0]]

    present(app, look, _shown, json=json, watch=watch, plain=plain)


def _shown(found: tuple[list[QueueState], list[str]]) -> RenderableType:
    states, full = found
    columns = (
        *("queue", "ready", "unacked", "delayed", "oldest", "in /s", "out /s"),
        *("consumers", "dead", "is", "in flight"),
    )
    rows = [
        (
            *(s.name, s.ready, s.unacked, s.delayed, span(s.oldest)),
            *(f"{s.submitted:.1f}", f"{s.ended:.1f}", s.consumers, s.dead),
            *(QueueRules(s.paused, s.rate, s.max_in_flight), s.in_flight),
        )
        for s in states
    ]
    empty = "no queue exists yet: start a worker, or run `warrener topology declare`"
    waits = [Text(f"jobs wait for {scope}, which is at its limit") for scope in full]
    return Group(table_of(columns, rows, empty), *waits)


def purge(
    queue: Annotated[str, typer.Argument(help="The queue to empty.")],
    app: OptionalApp = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove what waits in a queue; the jobs end as REVOKED."""

    async def look(_: Warrener, client: Client) -> QueueState:
        return await Queues(client).state(queue)

    async def empty(_: Warrener, client: Client) -> PurgeReport:
        report = await Queues(client).purge(queue)
        await note(client, "purge", **asdict(report))
        return report

    if not yes:
        ready = with_client(app, look).ready
        typer.confirm(f"Remove {ready} waiting job(s) from {queue}?", abort=True)
    report = with_client(app, empty)
    if json:
        print_json(asdict(report))
    else:
        typer.echo(
            f"{queue}: {report.revoked} job(s) revoked, {report.dropped} other message(s) removed, "
            f"{report.kept} copies of running jobs kept"
        )


def _whole(app: Warrener) -> list[Topology]:
    stages = [topology.stage(app.settings, queue) for queue in app.queues]
    return [topology.shared(app.settings), *stages]


@topology_commands.command("declare")
def declare(app: AppPath) -> None:
    """Declare everything that the app's tasks need; changes nothing that exists."""

    async def call(warrener: Warrener, client: Client) -> int:
        async with client.publisher.own_channel() as channel:
            await topology.declare(channel, _whole(warrener))
        return len(warrener.queues)

    typer.echo(f"declared, with {with_client(app, call)} work queue(s)")


@topology_commands.command("migrate")
def migrate(
    queue: Annotated[
        str | None,
        typer.Argument(help="A work queue, with its dead queue, or one by its whole name."),
    ] = None,
    app: OptionalApp = "",
    shared: Annotated[
        bool, typer.Option("--shared", help="The delay ladder and the queue for the undelivered.")
    ] = False,
    json: Json = False,
) -> None:
    """Give existing queues the arguments that the settings want, without loss; workers must be stopped.
    Killed half-way, run it again."""
    if (queue is None) is not shared:
        raise typer.BadParameter("name a queue, or give --shared")

    async def call(warrener: Warrener, _: Client) -> list[MigrationReport]:
        client = Client(warrener.settings.model_copy(update={"declare": False}), ())
        names = topology.Names(namespace := warrener.settings.namespace)
        try:
            wanted = [names.undelivered, *names.rungs] if queue is None else [queue]
            if queue and not queue.endswith(".dead") and not queue.startswith(f"{namespace}."):
                wanted = [names.dead_queue(queue), queue]
            return [await Migrator(client).migrate(one) for one in wanted]
        finally:
            await client.close()

    reports = with_client(app, call)
    if json:
        print_json([asdict(report) for report in reports])
        return
    for one in reports:
        done = f"declared anew, {one.moved} message move(s)" if one.changed else "as wanted"
        typer.echo(f"{one.queue}: {done}")


@topology_commands.command("show")
def show(app: AppPath, json: Json = False) -> None:
    """What `declare` declares."""

    async def call(warrener: Warrener, client: Client) -> list[Topology]:
        return _whole(warrener)

    whole = with_client(app, call)
    if json:
        print_json([asdict(part) for part in whole])
        return
    rows: list[tuple[str, str, str]] = []
    for part in whole:
        rows += [("exchange", e.name, f"{e.type} {e.arguments or ''}") for e in part.exchanges]
        rows += [("queue", q.name, str(q.arguments)) for q in part.queues]
        rows += [("binding", b.source, f"{b.key} → {b.queue or b.exchange}") for b in part.bindings]
    print_table(("kind", "name", "what"), rows, "nothing")
