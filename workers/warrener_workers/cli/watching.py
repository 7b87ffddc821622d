"""Showing what a command found: once, or again and again until Ctrl-C; as a table, or as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import to_json
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from warrener import BrokerUnavailable, StoreUnavailable, Warrener
from warrener.client import Client

from .options import console, print_json, with_client

T = TypeVar("T")

PAUSE = 2.0
"""Seconds between two looks."""

Watch = Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")]


def present(
    app: str,
    look: Callable[[Warrener, Client], Awaitable[T]],
    shown: Callable[[T], RenderableType],
    *,
    json: bool,
    watch: bool,
    plain: Callable[[T], Any],
) -> T | None:
    """Look, and show what is found; with `watch` until Ctrl-C, when there is nothing to answer. To
    programs, each look is then one line of JSON. Raises what `look` raises, unless it is watched."""
    if not watch:
        found = with_client(app, look)
        if json:
            print_json(plain(found))
        else:
            console.print(shown(found))
        return found

    async def again(warrener: Warrener, client: Client) -> None:
        live = Live(console=console, auto_refresh=False, transient=True)
        on_screen = console.is_terminal and not json
        with live if on_screen else nullcontext():
            while True:
                try:
                    found = await look(warrener, client)
                    picture = shown(found)
                    if json:
                        typer.echo(to_json(plain(found), fallback=str))
                except (BrokerUnavailable, StoreUnavailable) as error:
                    picture = Text(f"warrener: {error}")
                    if json:
                        typer.echo(f"warrener: {error}", err=True)
                if on_screen:
                    live.update(picture, refresh=True)
                elif not json:
                    console.print(picture)
                await asyncio.sleep(PAUSE)

    with suppress(KeyboardInterrupt):
        with_client(app, again)
    return None
