"""`warrener submit`, `job`, `status`, `inspect`."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from warrener import (
    JobEnded,
    JobNotFound,
    JobStatus,
    State,
    Warrener,
    WarrenerError,
)
from warrener.client import Client
from warrener.flow import Flow
from warrener.presence import Presence, PresenceBoard
from warrener.tasks import Options

from .calls import by_name, call_of, parsed
from .following import shown, watch
from .options import (
    AppPath,
    Json,
    OptionalApp,
    moment,
    print_fact,
    print_json,
    print_table,
    print_text,
    with_client,
)

EXIT_NOT_SUCCEEDED = 7


def _known_time(seconds: float | None) -> float | None:
    if seconds is not None and not 0 <= seconds < math.inf:
        raise typer.BadParameter(f"it must be a number of seconds, and is {seconds}")
    return seconds


inspect = typer.Typer(help="What the workers are doing.", no_args_is_help=True)


def submit(
    app: AppPath,
    task: Annotated[str, typer.Argument(help="The task's name.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="name=value; a value that is JSON is taken as JSON, else as text."),
    ] = None,
    args: Annotated[str, typer.Option(help="Positional arguments, as a JSON array.")] = "[]",
    kwargs: Annotated[str, typer.Option(help="Named arguments, as a JSON object.")] = "{}",
    queue: Annotated[str | None, typer.Option(help="Instead of the task's own queue.")] = None,
    countdown: Annotated[float | None, typer.Option(help="Seconds to wait first.")] = None,
    eta: Annotated[
        str | None,
        typer.Option(help="When it is due, with a time zone: 2026-05-01T09:00:00+02:00."),
    ] = None,
    expires: Annotated[
        float | None, typer.Option(help="Seconds after which it no longer begins.")
    ] = None,
    priority: Annotated[
        int | None, typer.Option(help="Higher ones come first, where the app has priorities.")
    ] = None,
    concurrency_key: Annotated[
        str | None, typer.Option(help="What the task's limits per key count by.")
    ] = None,
    id: Annotated[str | None, typer.Option(help="The job's id; one id runs once.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end and show the result.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that --wait waits at most.", callback=_known_time),
    ] = None,
    json: Json = False,
) -> None:
    """Submit a job. With --wait, the exit code is 0 only if it succeeded."""
    positional: list[Any] = parsed(args, list, "array", "--args")
    named: dict[str, Any] = parsed(kwargs, dict, "object", "--kwargs")
    named |= by_name(task, arguments or [])
    due = None if eta is None else _time(eta)
    options = Options(
        queue=queue,
        countdown=countdown,
        eta=due,
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
    _show(answer, json)
    if answer.state is not State.SUCCESS:
        raise typer.Exit(EXIT_NOT_SUCCEEDED)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"it is no time: {error}", param_hint="--eta") from error


def job(
    id: Annotated[str, typer.Argument(help="The job's id.")],
    app: OptionalApp = "",
    watching: Annotated[
        bool, typer.Option("--watch", help="Follow it to its end, with a bar for its progress.")
    ] = False,
    json: Json = False,
) -> None:
    """Show one job."""

    async def call(_: Warrener, client: Client) -> JobStatus:
        if watching:
            return await watch(client, id)
        status = await client.status(id)
        if status is None:
            raise JobNotFound(job_id=id)
        return await Flow(client.settings, client.store).explained(status)

    _show(with_client(app, call), json)


def revoke(
    ids: Annotated[list[str], typer.Argument(help="Jobs.")],
    app: OptionalApp = "",
    terminate: Annotated[
        bool,
        typer.Option("--terminate", help="Kill the process of one that runs and does not end."),
    ] = False,
    reason: Annotated[str, typer.Option(help="Kept in the record.")] = "revoked",
    json: Json = False,
) -> None:
    """See that jobs do not run, or end. The exit code is 0 if that was done or asked for each."""

    async def call(_: Warrener, client: Client) -> list[tuple[str, str, WarrenerError | None]]:
        return [(id, *await _revoked(client, id, reason, terminate)) for id in ids]

    answers = with_client(app, call)
    if json:
        print_json({id: what for id, what, _ in answers})
    for id, what, error in answers:
        if not json and error is None:
            print_text(f"{id} {what}")
    for _, _, error in answers:
        if error is not None:
            raise error


async def _revoked(
    client: Client, id: str, reason: str, terminate: bool
) -> tuple[str, WarrenerError | None]:
    try:
        waited = await client.revoke(id, reason, terminate=terminate)
    except (JobNotFound, JobEnded) as error:
        return str(error), error
    return ("revoked" if waited else "asked to end"), None


def _show(status: JobStatus, json: bool) -> None:
    if json:
        print_json({**asdict(status), "replays": status.replays})
        return
    rows: list[tuple[str, Any]] = [
        ("job", status.id),
        ("task", status.task),
        ("queue", status.queue),
        ("state", status.state.value),
        ("attempt", status.attempt),
        ("replayed", status.replays or None),
        ("worker", status.worker),
        ("created", moment(status.created)),
        ("due", moment(status.due)),
        ("started", moment(status.started)),
        ("finished", moment(status.finished)),
        ("progress", status.progress and shown(status.progress)),
        ("revoked because", status.reason),
        ("waits for", status.waits_for),
        ("error", status.error and f"{status.error.type}: {status.error.message}"),
    ]
    for name, value in rows:
        if value:
            print_fact(name, value, 16)
    if status.state is State.SUCCESS:
        # Pydantic's JSON, as everywhere: whole numbers may be longer than 64 bits.
        result = "(expired)" if status.result_expired else to_json(status.result).decode()
        print_fact("result", result, 16)
    if status.error and status.error.traceback:
        print_text(status.error.traceback)


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
        now = time.time()
        columns = (
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
        print_table(
            columns, rows, "no worker lives: start one with `warrener worker QUEUE --app …`"
        )
    if name is not None and not workers:
        raise typer.Exit(1)


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
