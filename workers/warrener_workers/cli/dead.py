"""`warrener dead`: dead letters."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from warrener import BrokerUnavailable, DeadLetterNotFound, Warrener
from warrener.client import Client
from warrener.dead_counts import DeadCount, dead_counts
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex, Group
from warrener.letter_paging import Page
from warrener.topology import check_queue_name

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
from .selecting import selection_of, selects

commands = typer.Typer(help="Dead letters.", no_args_is_help=True)
MOST = 1_000_000_000
"""More than Redis holds, and a number that it takes."""


def _known_cursor(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no cursor: take it from the page before") from None
    return text


OneQueue = Annotated[str | None, typer.Argument(help="One queue; all, if not given.")]


def _index(app: Warrener, client: Client) -> DeadLetterIndex:
    return DeadLetterIndex(app.settings, client.store)


async def _asked(app: Warrener, client: Client, queue: str | None) -> list[str]:
    """The queues that a command is about."""
    if queue is not None:
        return [check_queue_name(queue, app.settings.namespace)]
    return await _index(app, client).queues()


async def _drift(app: Warrener, client: Client, queue: str | None) -> None:
    """Say where the index and the queues do not agree."""
    try:
        counts = await dead_counts(client, [queue] if queue else await known_queues(app, client))
    except BrokerUnavailable:
        typer.echo("warrener: RabbitMQ is away: the index was not compared with it", err=True)
        return
    for count in counts:
        if count.drift and queue in (None, count.queue):
            typer.echo(f"warrener: {count.drift}", err=True)


@commands.command("list")
@selects
def list_letters(
    conditions: dict[str, Any],
    queue: OneQueue = None,
    app: OptionalApp = "",
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many.")] = 100,
    cursor: Annotated[
        str, typer.Option(help="Go on where another page ended.", callback=_known_cursor)
    ] = "",
    json: Json = False,
) -> None:
    """The dead letters, the newest first."""

    async def call(warrener: Warrener, client: Client) -> Page:
        queues = await _asked(warrener, client, queue)
        selection = selection_of(conditions, everything=True)
        page = await _index(warrener, client).search(queues, selection, cursor=cursor, size=limit)
        await _drift(warrener, client, queue)
        return page

    page = with_client(app, call)
    if json:
        print_json([asdict(letter) for letter in page.letters])
    else:
        columns = ("id", "queue", "task", "reason", "error", "attempt", "died")
        rows = [
            (
                x.id,
                x.queue,
                x.task,
                x.reason,
                f"{x.type}: {x.message}"[:80],
                x.attempt,
                moment(x.died),
            )
            for x in page.letters
        ]
        print_table(columns, rows, "no dead letters")
    if page.next:
        typer.echo(f"warrener: there are more: --cursor {page.next}", err=True)


@commands.command("counts")
def counts(app: OptionalApp = "", json: Json = False) -> None:
    """How many there are in each queue, and what became of others."""

    async def call(warrener: Warrener, client: Client) -> list[DeadCount]:
        return await dead_counts(client, await known_queues(warrener, client))

    found = with_client(app, call)
    if json:
        print_json([{**asdict(one), "drift": one.drift} for one in found])
    else:
        became = ("replayed", "discarded", "expired")
        rows = [
            (x.queue, x.held, x.listed, *(x.became.get(one, 0) for one in became)) for x in found
        ]
        print_table(("queue", "dead", "listed", *became), rows, "no queue has a dead queue yet")
    for one in found:
        if one.drift:
            typer.echo(f"warrener: {one.drift}", err=True)


@commands.command("groups")
@selects
def groups(
    conditions: dict[str, Any],
    queue: OneQueue = None,
    app: OptionalApp = "",
    json: Json = False,
) -> None:
    """The dead letters by cause: the exception, and where in your code it was raised."""

    async def call(warrener: Warrener, client: Client) -> list[Group]:
        queues = await _asked(warrener, client, queue)
        selection = selection_of(conditions, everything=True)
        found = await _index(warrener, client).groups(queues, selection)
        await _drift(warrener, client, queue)
        return found

    found = with_client(app, call)
    if json:
        print_json([asdict(group) for group in found])
        return
    columns = ("group", "count", "error", "raised in", "first", "last", "message")
    rows = [
        (x.id, x.count, x.type, x.frame or x.task, moment(x.first), moment(x.last), x.message[:60])
        for x in found
    ]
    print_table(columns, rows, "no dead letters")


@commands.command("show")
def show(
    id: Annotated[str, typer.Argument(help="The letter's id.")],
    app: OptionalApp = "",
    json: Json = False,
) -> None:
    """One dead letter: arguments, attempts, traceback."""

    async def call(warrener: Warrener, client: Client) -> DeadLetter:
        letter = await _index(warrener, client).find(id)
        if letter is None:
            raise DeadLetterNotFound(letter_id=id)
        return letter

    letter = with_client(app, call)
    if json:
        print_json(asdict(letter))
        return
    _show(letter)


def _show(letter: DeadLetter) -> None:
    facts = {
        **asdict(letter),
        "replayed": letter.generation,
        "died": moment(letter.died),
        "raised in": letter.error.frame or "(no code of yours)",
    }
    for name in ("id", "job_id", "task", "queue", "reason", "attempt", "replayed", "died"):
        print_fact(name, facts[name], 10)
    if letter.workflow:
        print_fact("workflow", letter.workflow, 10)
    for name in ("worker", "raised in", "body"):
        print_fact(name, facts[name], 10)
    if letter.hidden:
        print_fact("", f"(its arguments are masked: {letter.hidden})", 10)
    shown = len(letter.body.encode())
    if letter.size > shown:
        print_fact("", f"({shown} of {letter.size} bytes)", 10)
    for one in letter.attempts:
        number, worker, kind, message = map(one.get, ("attempt", "worker", "type", "message"))
        finished = one.get("finished")
        when = moment(finished) if isinstance(finished, int | float) else ""
        at = f", {when}" if when else ""
        print_text(f"attempt {number} on {worker}{at}: {kind}: {message}")
    print_text(letter.error.traceback or letter.error.message)
