"""`warrener keys`: who may call the HTTP API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from warrener import Warrener
from warrener.api_keys import ApiKey, KeyRing, Role
from warrener.client import Client

from .options import Json, OptionalApp, moment, print_json, print_table, with_client

commands = typer.Typer(help="API keys: who may call the HTTP API.", no_args_is_help=True)

DAY = 86_400.0


def _ring(app: Warrener, client: Client) -> KeyRing:
    return KeyRing(app.settings, client.store, client.clock)


def _facts(key: ApiKey) -> dict[str, object]:
    return {name: value for name, value in asdict(key).items() if name != "digest"}


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is; shown in lists and in the audit.")],
    role: Annotated[
        list[Role],
        typer.Option(
            help="submit: submit jobs and look them up. read: see everything. operate: everything. "
            "May be given twice."
        ),
    ],
    days: Annotated[
        float | None, typer.Option(min=0.001, max=36_500, help="Days until it expires.")
    ] = None,
    app: OptionalApp = "",
    json: Json = False,
) -> None:
    """Make a key. It is printed this once: the store keeps only a hash of it."""
    lifetime = None if days is None else days * DAY

    async def call(warrener: Warrener, client: Client) -> tuple[ApiKey, str]:
        return await _ring(warrener, client).create(name, role, lifetime)

    key, token = with_client(app, call)
    if json:
        print_json({**_facts(key), "key": token})
        return
    typer.echo(f"key {key.id} for {key.name}; nothing can show it again:", err=True)
    typer.echo(token)


@commands.command("list")
def list_keys(app: OptionalApp = "", json: Json = False) -> None:
    """The keys there are."""

    async def call(warrener: Warrener, client: Client) -> list[ApiKey]:
        return await _ring(warrener, client).all()

    keys = with_client(app, call)
    if json:
        print_json([_facts(key) for key in keys])
        return
    rows = [
        (key.id, key.name, ", ".join(key.roles), moment(key.created), moment(key.expires))
        for key in keys
    ]
    empty = "no key exists: the API serves this machine alone"
    print_table(("id", "name", "roles", "created", "expires"), rows, empty)


@commands.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    app: OptionalApp = "",
) -> None:
    """Take a key back; within five seconds no API takes it any more."""

    async def call(warrener: Warrener, client: Client) -> None:
        await _ring(warrener, client).revoke(key_id)

    with_client(app, call)
    typer.echo(f"key {key_id} is revoked")
