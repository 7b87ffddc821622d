"""`warrener dead list|show|replay`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from warrener import Warrener
from warrener.client import Client
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex
from warrener.replaying import Replayer, ReplayReport
from warrener.selecting import Selection

from .options import (
    Json,
    OptionalApp,
    known_queues,
    moment,
    print_fact,
    print_json,
    print_table,
    print_text,
    with_client,
)

commands = typer.Typer(help="Dead letters.", no_args_is_help=True)
EXIT_NOT_FOUND = 5
MOST = 1_000_000_000
"""More than Redis holds, and a number that it takes."""


@commands.command("list")
def list_letters(
    queue: Annotated[str | None, typer.Argument(help="One queue; all, if not given.")] = None,
    app: OptionalApp = "",
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many per queue.")] = 100,
    json: Json = False,
) -> None:
    """The dead letters, the newest first."""

    async def call(warrener: Warrener, client: Client) -> list[DeadLetter]:
        index = DeadLetterIndex(warrener.settings, client.store)
        wanted = [queue] if queue else await known_queues(warrener, client)
        return [letter for name in wanted for letter in await index.page(name, 0, limit)]

    letters = with_client(app, call)
    if json:
        print_json([asdict(letter) for letter in letters])
        return
    columns = ("id", "queue", "task", "reason", "error", "attempt", "died")
    rows = [
        (
            x.id,
            x.queue,
            x.task,
            x.reason,
            f"{x.error.type}: {x.error.message}"[:80],
            x.attempt,
            moment(x.died),
        )
        for x in letters
    ]
    print_table(columns, rows, "no dead letters")


@commands.command("show")
def show(
    id: Annotated[str, typer.Argument(help="The letter's id.")],
    app: OptionalApp = "",
    json: Json = False,
) -> None:
    """One dead letter: arguments, attempts, traceback."""

    async def call(warrener: Warrener, client: Client) -> DeadLetter | None:
        return await DeadLetterIndex(warrener.settings, client.store).find(id)

    letter = with_client(app, call)
    if letter is None:
        typer.echo(f"warrener: no dead letter {id!r} is listed", err=True)
        raise typer.Exit(EXIT_NOT_FOUND)
    if json:
        print_json(asdict(letter))
        return
    facts = asdict(letter)
    for name in ("id", "job_id", "task", "queue", "reason", "attempt", "worker", "body"):
        print_fact(name, facts[name], 10)
    for one in letter.attempts:
        number, worker, kind, message = map(one.get, ("attempt", "worker", "type", "message"))
        print_text(f"attempt {number} on {worker}: {kind}: {message}")
    print_text(letter.error.traceback or letter.error.message)


@commands.command("replay")
def replay(
    queue: Annotated[str, typer.Argument(help="The work queue whose dead letters are meant.")],
    app: OptionalApp = "",
    id: Annotated[
        list[str] | None, typer.Option(help="A letter's or a job's id; repeatable.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only this task's.")] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only this exception's, such as TimeoutError.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only this reason's, such as worker_lost.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, max=MOST, help="At most so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    resign: Annotated[
        bool,
        typer.Option("--resign", help="Sign and replay those without a valid signature as well."),
    ] = False,
    json: Json = False,
) -> None:
    """Publish dead letters to their queue again; what is not selected stays."""
    selection = Selection(frozenset(id or []), task, cause, reason, everything)

    async def call(_: Warrener, client: Client) -> ReplayReport:
        return await Replayer(client).replay(
            queue, selection, limit=limit, dry_run=dry_run, resign=resign
        )

    report = with_client(app, call)
    if json:
        print_json(asdict(report))
    else:
        would = "would be " if dry_run else ""
        typer.echo(
            f"{queue}: {report.replayed} {would}replayed, {report.already} had been before, "
            f"{report.kept} stay, of {report.seen}"
        )
    for fault in report.failed:
        typer.echo(f"warrener: {fault}", err=True)
    if report.failed:
        raise typer.Exit(6)
