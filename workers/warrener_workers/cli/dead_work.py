"""`warrener dead replay|discard|reindex`, which are operations."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from warrener import Warrener, WarrenerError
from warrener.asking import Forecast, ask, cancel, forecast
from warrener.client import Client
from warrener.json_text import read_json
from warrener.letter_index import DeadLetterIndex
from warrener.operating import OperationRunner
from warrener.operations import Operation, Operations, Wanted
from warrener.selecting import ALL
from warrener.steering import cancelled
from warrener.walking import WalkReport

from .dead import MOST, commands
from .dead_operations import total_of
from .noting import who
from .options import (
    Json,
    OptionalApp,
    known_queues,
    print_json,
    with_client,
)
from .selecting import selection_of, selects

__all__ = ["commands"]

LOOK = 0.5
"""Seconds between two looks at how far an operation is."""

OfQueue = Annotated[str, typer.Argument(help="The work queue whose dead letters are meant.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
Limit = Annotated[int | None, typer.Option(min=1, max=MOST, help="At most so many.")]
Rate = Annotated[float | None, typer.Option(min=0.001, max=1e6, help="At most so many a second.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count, by the index.")]
Background = Annotated[
    bool,
    typer.Option("--background", help="Only ask for it: an API that runs carries it out."),
]


@commands.command("replay")
@selects
def replay(
    conditions: dict[str, Any],
    queue: OfQueue,
    app: OptionalApp = "",
    everything: All = False,
    limit: Limit = None,
    rate: Rate = None,
    to_queue: Annotated[
        str, typer.Option(help="To this queue, instead of the one in which they died.")
    ] = "",
    set: Annotated[
        list[str] | None,
        typer.Option(help="name=value: another argument for each of the jobs; repeatable."),
    ] = None,
    resign: Annotated[
        bool,
        typer.Option("--resign", help="Sign and replay those without a valid signature as well."),
    ] = False,
    dry_run: DryRun = False,
    background: Background = False,
    json: Json = False,
) -> None:
    """Publish dead letters to their queue again; what is not selected stays."""
    wanted = Wanted(
        kind="replay",
        queue=queue,
        by=who(),
        selection=selection_of(conditions, everything=everything),
        limit=limit,
        rate=rate,
        to_queue=to_queue,
        resign=resign,
        edit=_edit(set),
    )
    _work(app, wanted, "replayed", dry_run=dry_run, background=background, json=json)


@commands.command("discard")
@selects
def discard(
    conditions: dict[str, Any],
    queue: OfQueue,
    because: Annotated[str, typer.Option(help="Why; kept with the jobs and in the audit trail.")],
    app: OptionalApp = "",
    everything: All = False,
    limit: Limit = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    background: Background = False,
    json: Json = False,
) -> None:
    """Give dead letters up. Their jobs stay FAILURE, and say who did it and why."""
    wanted = Wanted(
        kind="discard",
        queue=queue,
        by=who(),
        selection=selection_of(conditions, everything=everything),
        limit=limit,
        rate=rate,
        reason=because,
    )
    if not (yes or dry_run):
        would = with_client(app, lambda _, client: _forecast(client, wanted)).would
        typer.confirm(f"Discard {would} dead letter(s) of {queue} for good?", abort=True)
    _work(app, wanted, "discarded", dry_run=dry_run, background=background, json=json)


@commands.command("reindex")
def reindex(
    queue: Annotated[str | None, typer.Argument(help="A work queue; all, if not given.")] = None,
    app: OptionalApp = "",
    background: Background = False,
    json: Json = False,
) -> None:
    """Make the index of dead letters anew, from the queues."""

    async def call(warrener: Warrener, client: Client) -> list[str]:
        index = DeadLetterIndex(warrener.settings, client.store)
        return sorted({*await index.queues(), *await known_queues(warrener, client)})

    for name in [queue] if queue else with_client(app, call):
        wanted = Wanted(kind="reindex", queue=name, by=who(), selection=ALL)
        _work(app, wanted, "listed", dry_run=False, background=background, json=json)


def _edit(settings: list[str] | None) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for setting in settings or []:
        name, equals, text = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting!r} is not of the form name=value")
        try:
            found[name] = read_json(text)
        except ValueError:
            found[name] = text
    return found or None


async def _forecast(client: Client, wanted: Wanted) -> Forecast:
    return await forecast(client, wanted.queue, wanted.selection, wanted.limit)


def _work(
    app: str, wanted: Wanted, what: str, *, dry_run: bool, background: bool, json: bool
) -> None:
    if dry_run:
        found = with_client(app, lambda _, client: _forecast(client, wanted))
        _show_forecast(found, what, json)
    elif background:
        operation_id = with_client(app, lambda _, client: ask(client, wanted))
        print_json({"operation": operation_id}) if json else typer.echo(operation_id)
    else:
        report, one = with_client(app, lambda _, client: _carried_out(client, wanted))
        _show_report(report, one, what, json)


async def _carried_out(client: Client, wanted: Wanted) -> tuple[WalkReport, Operation | None]:
    """Carry an operation out here; what became of it, as far as Redis tells. Interrupted, it is cancelled;
    killed, an API carries it on."""
    runner = OperationRunner(lambda: client)
    operations = Operations(client.settings, client.store)
    operation_id = await ask(client, wanted, runner.owner)
    showing = asyncio.create_task(_show_progress(operations, operation_id))
    try:
        report = await runner.carry_out(client, operation_id)
        with suppress(WarrenerError):
            return report, await operations.find(operation_id)
        return report, None
    except asyncio.CancelledError:
        facts = {"state": "cancelled", "finished": client.clock()}
        with suppress(WarrenerError):
            await cancel(client, operation_id, wanted.by)
            await operations.finish(operation_id, runner.owner, facts)
        typer.echo("warrener: interrupted: what was done stays done", err=True)
        raise
    except Exception as error:
        await runner.fail(client, operation_id, error)
        raise
    finally:
        await cancelled(showing)


async def _show_progress(operations: Operations, operation_id: str) -> None:
    """A bar, where somebody can see it."""
    if not sys.stderr.isatty():
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("dead letters", total=None)
        while True:
            await asyncio.sleep(LOOK)
            with suppress(WarrenerError):
                one = await operations.find(operation_id)
                met = f"dead letters ({one.seen} met)"
                progress.update(bar, description=met, total=total_of(one), completed=one.done)


def _show_forecast(found: Forecast, what: str, json: bool) -> None:
    count = found.count
    if json:
        groups = [asdict(group) for group in found.groups]
        counts = {"matched": found.matched, "would": found.would, "groups": groups}
        print_json({**asdict(count), "drift": count.drift, **counts})
    else:
        typer.echo(
            f"{count.queue}: {found.would} would be {what}, {count.listed - found.would} stay, of "
            f"{count.listed} listed"
        )
        for group in found.groups:
            where = group.frame or group.task
            typer.echo(f"{group.count:>8}  {group.type} in {where}: {group.message[:60]}")
    if count.drift:
        typer.echo(f"warrener: {count.drift}", err=True)


def _show_report(report: WalkReport, one: Operation | None, what: str, json: bool) -> None:
    if json:
        facts = {name: value for name, value in asdict(report).items() if name != "done"}
        print_json({**facts, what: report.seen if what == "listed" else report.done})
    elif what == "listed":
        note = one.note if one is not None else ""
        typer.echo(f"{report.queue}: {report.seen} listed; {note or 'nothing else was'}")
    else:
        typer.echo(
            f"{report.queue}: {report.done} {what}, {report.already} had been before, "
            f"{report.kept} stay, of {report.seen}"
        )
    for fault in report.faults:
        typer.echo(f"warrener: {fault}", err=True)
    cut_short = one is not None and one.state != "done"
    if one is not None and cut_short:
        ended = one.state == "cancelled"
        said = "was cancelled: what was done stays done" if ended else "goes on elsewhere"
        typer.echo(f"warrener: operation {one.id} {said}", err=True)
    if report.failed or cut_short:
        raise typer.Exit(6)
