"""`warrener jobs`, `inspect scheduled`: listings of jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from warrener import JobStatus, State, Warrener
from warrener.client import Client
from warrener.listing import LONGEST_PAGE, Listing, Page, Wanted
from warrener.reindexing import Reindexed, Reindexer

from .options import Json, OptionalApp, moment, print_json, print_table, progress, with_client

commands = typer.Typer(help="Jobs.", no_args_is_help=True)
WAITS = (State.SCHEDULED, State.RETRY)

States = Annotated[
    list[State] | None,
    typer.Option("--state", help="Only jobs in this state; repeatable.", case_sensitive=False),
]
OneQueue = Annotated[str, typer.Option("--queue", help="Only of this queue.")]
OneTask = Annotated[str, typer.Option("--task", help="Only of this task.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]
Cursor = Annotated[str, typer.Option(help="Go on where another page ended.")]


@commands.command("list")
def list_jobs(
    app: OptionalApp = "",
    state: States = None,
    queue: OneQueue = "",
    task: OneTask = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    json: Json = False,
) -> None:
    """Jobs as recorded, the newest first; what waits for its time by when it is due."""
    _list(app, Wanted(frozenset(state or ()), queue, task), limit, cursor, json)


def scheduled(
    app: OptionalApp = "",
    queue: OneQueue = "",
    task: OneTask = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    json: Json = False,
) -> None:
    """What waits for its time, or for its next attempt, in the order in which it is due."""
    _list(app, Wanted(frozenset(WAITS), queue, task), limit, cursor, json)


def _list(app: str, wanted: Wanted, limit: int, cursor: str, json: bool) -> None:
    async def call(warrener: Warrener, client: Client) -> Page:
        return await whole(Listing(warrener.settings, client.store), wanted, limit, cursor)

    page = with_client(app, call)
    if json:
        print_json([line(status) for status in page.jobs])
    else:
        waits = wanted.states and wanted.states.issubset(WAITS)
        time, when = ("due", _due) if waits else ("created", _created)
        columns = ("job", "task", "queue", "state", "attempt", time, "worker", "error")
        rows = [
            (s.id, s.task, s.queue, s.state.value, s.attempt, when(s), s.worker, _why(s))
            for s in page.jobs
        ]
        print_table(columns, rows, "no such job is listed")
    if page.cursor:
        typer.echo(f"warrener: there are more: --cursor {page.cursor}", err=True)


async def whole(listing: Listing, wanted: Wanted, limit: int, cursor: str) -> Page:
    """So many jobs, or all: pages may come short."""
    jobs: list[JobStatus] = []
    here: str | None = cursor or None
    while True:
        page = await listing.page(wanted, here, min(limit - len(jobs), LONGEST_PAGE))
        jobs += page.jobs
        here = page.cursor
        if here is None or len(jobs) >= limit:
            return Page(jobs, here)


def line(status: JobStatus) -> dict[str, Any]:
    """A job in a listing, for programs."""
    left_out = ("result", "result_expired", "attempts", "recovered", "owes")
    facts = {name: value for name, value in asdict(status).items() if name not in left_out}
    return {**facts, "replays": status.replays}


def _due(status: JobStatus) -> str:
    return moment(status.due)


def _created(status: JobStatus) -> str:
    return moment(status.created)


def _why(status: JobStatus) -> str:
    if status.error is not None:
        return f"{status.error.type}: {status.error.message}"[:80]
    return status.reason or ""


@commands.command("reindex")
def reindex(app: OptionalApp = "", json: Json = False) -> None:
    """Make the lists of jobs again from their records, while all goes on."""

    async def call(warrener: Warrener, client: Client) -> Reindexed:
        with progress("records read", quiet=json) as told:
            reindexer = Reindexer(warrener.settings, client.store, client.clock)
            return await reindexer.rebuild(told)

    report = with_client(app, call)
    if json:
        print_json(asdict(report))
    else:
        typer.echo(f"{report.records} job(s) listed, {report.removed} stale line(s) taken off")
