"""`warrener api`."""

from __future__ import annotations

import ipaddress
import os
from typing import Annotated

import typer

from warrener.app import load_app

from .options import AppPath, LogLevel


def api(
    app: AppPath,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    unprotected: Annotated[
        bool,
        typer.Option(
            "--unprotected", help="Serve other machines too, although nobody must sign in."
        ),
    ] = False,
    log_level: LogLevel = "info",
) -> None:
    """Serve the HTTP API."""
    try:
        import uvicorn
    except ModuleNotFoundError:
        typer.echo("warrener: the API needs more packages: pip install 'warrener[api]'", err=True)
        raise typer.Exit(2) from None
    if not _is_loopback(host) and not unprotected:
        typer.echo(
            f"warrener: {host} is reachable by others, and nobody must sign in yet: "
            "listen on 127.0.0.1, or say --unprotected behind something that checks.",
            err=True,
        )
        raise typer.Exit(2)
    load_app(app)
    # Handed on by name, so that the command line does not import FastAPI's side.
    os.environ["WARRENER_APP"] = app
    uvicorn.run("warrener_api.serve:app", host=host, port=port, log_level=log_level, factory=True)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
