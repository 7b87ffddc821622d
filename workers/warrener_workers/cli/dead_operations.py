"""`warrener dead operations|cancel`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from warrener import Warrener
from warrener.asking import cancel
from warrener.client import Client
from warrener.operations import Operation, Operations

from .dead import commands
from .noting import who
from .options import Json, OptionalApp, moment, print_json, print_table, with_client


def total_of(one: Operation) -> int | None:
    """How many letters it is to go through, as far as that is known."""
    total, limit = one.wanted.total, one.wanted.limit
    return limit if total is None else total if limit is None else min(total, limit)


@commands.command("operations")
def operations(
    id: Annotated[str | None, typer.Argument(help="One of them; all, if not given.")] = None,
    app: OptionalApp = "",
    json: Json = False,
) -> None:
    """Replays, discards and reindexings: those that go on, and those of the last week."""

    async def call(warrener: Warrener, client: Client) -> list[Operation]:
        found = Operations(warrener.settings, client.store)
        return await found.newest() if id is None else [await found.find(id)]

    found = with_client(app, call)
    if json:
        print_json([_facts(one) for one in found])
        return
    columns = ("id", "kind", "queue", "state", "done", "of", "failed", "by", "asked", "note")
    rows = [
        (
            one.id,
            one.wanted.kind,
            one.wanted.queue,
            "cancelling" if one.cancelling and not one.has_ended else one.state,
            one.done,
            total_of(one),
            one.failed,
            one.wanted.by,
            moment(one.created),
            one.note[:80],
        )
        for one in found
    ]
    print_table(columns, rows, "no operations")


def _facts(one: Operation) -> dict[str, Any]:
    wanted = {**asdict(one.wanted), "edit": one.wanted.edited}
    return {**asdict(one), "wanted": wanted, "selection": one.wanted.selection.to_json()}


@commands.command("cancel")
def end(
    id: Annotated[str, typer.Argument(help="An operation.")],
    app: OptionalApp = "",
) -> None:
    """Have an operation end where it is; what it has done stays done."""

    answer = with_client(app, lambda _, client: cancel(client, id, who()))
    said = {"asked": "asked to end", "cancelled": "cancelled", "ended": "has ended before"}
    typer.echo(f"{id} {said[answer]}")
