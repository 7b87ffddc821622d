"""`warrener submit`."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any

import typer

from warrener import JobStatus, State, Warrener
from warrener.client import Client
from warrener.tasks import Options

from .calls import by_name, call_of, parsed
from .following import watch
from .options import AppPath, Json, print_json, with_client
from .showing import show

EXIT_NOT_SUCCEEDED = 7


def _known_time(seconds: float | None) -> float | None:
    if seconds is not None and not 0 <= seconds < math.inf:
        raise typer.BadParameter(f"it must be a number of seconds, and is {seconds}")
    return seconds


Arguments = Annotated[
    list[str] | None,
    typer.Argument(help="name=value; a value that is JSON is taken as JSON, else as text."),
]
Args = Annotated[str, typer.Option(help="Positional arguments, as a JSON array.")]
Kwargs = Annotated[str, typer.Option(help="Named arguments, as a JSON object.")]
Queue = Annotated[str | None, typer.Option(help="Instead of the task's own queue.")]
Countdown = Annotated[float | None, typer.Option(help="Seconds to wait first.")]
Eta = Annotated[
    str | None, typer.Option(help="When it is due, with a time zone: 2026-05-01T09:00:00+02:00.")
]
Expires = Annotated[float | None, typer.Option(help="Seconds after which it no longer begins.")]
Priority = Annotated[
    int | None, typer.Option(help="Higher ones come first, where the app has priorities.")
]
ConcurrencyKey = Annotated[
    str | None, typer.Option(help="What the task's limits per key count by.")
]
Id = Annotated[str | None, typer.Option(help="The job's id; one id runs once.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for its end and show the result.")]
Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds that --wait waits at most.", callback=_known_time),
]


def submit(
    app: AppPath,
    task: Annotated[str, typer.Argument(help="The task's name.")],
    arguments: Arguments = None,
    args: Args = "[]",
    kwargs: Kwargs = "{}",
    queue: Queue = None,
    countdown: Countdown = None,
    eta: Eta = None,
    expires: Expires = None,
    priority: Priority = None,
    concurrency_key: ConcurrencyKey = None,
    id: Id = None,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Submit a job. With --wait, the exit code is 0 only if it succeeded."""
    positional: list[Any] = parsed(args, list, "array", "--args")
    named: dict[str, Any] = parsed(kwargs, dict, "object", "--kwargs")
    named |= by_name(task, arguments or [])
    options = Options(
        queue=queue,
        countdown=countdown,
        eta=None if eta is None else _time(eta),
        id=id,
        expires=expires,
        priority=priority,
        concurrency_key=concurrency_key,
    )

    async def call(warrener: Warrener, client: Client) -> JobStatus | str:
        if wait:
            # Without a store nothing could be waited for: say so before anything is sent.
            await client.store.ping()
        job_id = (await warrener.submit(call_of(warrener, task, positional, named, options))).id
        if not wait:
            return job_id
        return await watch(client, job_id, timeout, quiet=True)

    answer = with_client(app, call)
    if isinstance(answer, str):
        print_json({"id": answer}) if json else typer.echo(answer)
        return
    show(answer, json)
    if answer.state is not State.SUCCESS:
        raise typer.Exit(EXIT_NOT_SUCCEEDED)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"it is no time: {error}", param_hint="--eta") from error
