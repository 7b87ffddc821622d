"""`warrener job`, `revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from warrener import (
    JobEnded,
    JobNotFound,
    JobStatus,
    Warrener,
    WarrenerError,
)
from warrener.client import Client
from warrener.flow import Flow
from warrener.ids import is_job_id
from warrener.revoking import revoke_unknown

from .following import watch
from .noting import note
from .options import (
    Json,
    OptionalApp,
    print_json,
    print_text,
    with_client,
)
from .showing import show


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

    show(with_client(app, call), json)


def revoke(
    ids: Annotated[list[str], typer.Argument(help="Jobs.")],
    app: OptionalApp = "",
    terminate: Annotated[
        bool,
        typer.Option(
            "--terminate",
            help="Kill the process of one that runs; at once if nothing else runs in it.",
        ),
    ] = False,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also where there is no record: Redis may have lost it."),
    ] = False,
    reason: Annotated[str, typer.Option(help="Kept in the record.")] = "revoked",
    json: Json = False,
) -> None:
    """See that jobs do not run, or end. The exit code is 0 if that was done or asked for each."""

    async def call(_: Warrener, client: Client) -> list[tuple[str, str, WarrenerError | None]]:
        return [(id, *await _revoked(client, id, reason, terminate, unknown)) for id in ids]

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
    client: Client, id: str, reason: str, terminate: bool, unknown: bool
) -> tuple[str, WarrenerError | None]:
    try:
        waited = await client.revoke(id, reason, terminate=terminate)
    except (JobNotFound, JobEnded) as error:
        if not unknown or isinstance(error, JobEnded) or not is_job_id(id):
            return str(error), error
        await revoke_unknown(client.store, client.settings, id, client.clock(), reason)
        waited = True
    await note(client, "revoke", job=id, reason=reason)
    return ("revoked" if waited else "asked to end"), None
