"""`warrener pause`, `resume`, `limit`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

import typer

from warrener import Warrener
from warrener.client import Client
from warrener.limits import QueueRules
from warrener.queues import Queues, QueueState

from .noting import note
from .options import Json, OptionalApp, print_json, with_client

QueueName = Annotated[str, typer.Argument(help="A work queue.")]


def _change(
    app: str, json: bool, what: str, change: Callable[[Queues], Awaitable[QueueState]], **facts: str
) -> None:
    async def call(_: Warrener, client: Client) -> QueueState:
        state = await change(Queues(client))
        await note(client, what, queue=state.name, **facts)
        return state

    state = with_client(app, call)
    if json:
        print_json(asdict(state))
    else:
        rules = QueueRules(state.paused, state.rate, state.max_in_flight)
        typer.echo(f"{state.name} is {rules}, with {state.ready} job(s) ready")


def pause(queue: QueueName, app: OptionalApp = "", json: Json = False) -> None:
    """Let no job of a queue begin, on any worker, until `resume`. What runs goes on."""
    _change(app, json, "pause", lambda queues: queues.pause(queue))


def resume(queue: QueueName, app: OptionalApp = "", json: Json = False) -> None:
    """End a pause."""
    _change(app, json, "resume", lambda queues: queues.resume(queue))


def limit(
    queue: QueueName,
    app: OptionalApp = "",
    rate: Annotated[
        str | None, typer.Option(help="Starts at most: 10/s, 10/m or 10/h, on all workers.")
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(help="Jobs at once at most, on all workers.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="No limit.")] = False,
    json: Json = False,
) -> None:
    """Limit a queue on all workers together; what is not given is not limited."""
    if off is not (rate is None and in_flight is None):
        raise typer.BadParameter("give --rate, --in-flight or both, or else --off")
    limits = str(QueueRules(rate=rate, max_in_flight=in_flight))
    _change(app, json, "limit", lambda queues: queues.limit(queue, rate, in_flight), limits=limits)
