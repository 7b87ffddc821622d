"""`warrener api`."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from importlib.util import find_spec
from typing import Annotated

import typer

from warrener.loading import load_app

from .options import LogLevel

ServedApp = Annotated[
    str,
    typer.Option(
        "--app",
        envvar="WARRENER_APP",
        help="The app, as module:attribute; without one, the tasks that workers have published.",
    ),
]

LACKS_PACKAGES = "the API needs more packages: pip install 'warrener[api]'"
EXIT_NOT_STARTED = 3


def api(
    app: ServedApp = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    unprotected: Annotated[
        bool,
        typer.Option("--unprotected", help="Serve anyone who reaches it, without API keys."),
    ] = False,
    log_level: LogLevel = "info",
) -> None:
    """Serve the HTTP API to those who have API keys (`warrener keys create`), or, while there are none, to
    this machine alone. Without an app it serves the tasks that workers have published, and imports none."""
    if not has_packages():
        typer.echo(f"warrener: {LACKS_PACKAGES}", err=True)
        raise typer.Exit(2)
    if app:
        load_app(app)
    # Handed on by name, so that the command line does not import FastAPI's side.
    os.environ["WARRENER_APP"] = app
    if unprotected:
        os.environ["WARRENER_UNPROTECTED"] = "1"
    _serve(host, port, log_level)


def has_packages() -> bool:
    """True if what serves the API is installed."""
    try:
        return bool(find_spec("fastapi") and find_spec("uvicorn"))
    except (ImportError, ValueError):
        return False


def _serve(host: str, port: int, log_level: str) -> None:
    import uvicorn

    # Listening is ours: uvicorn would log its failure as one line among others, and exit with 1.
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # Python repeats the address in brackets
        typer.echo(
            f"warrener: the API cannot listen on port {port} of {host}: {reason}. "
            "Choose another --port, or end what has it.",
            err=True,
        )
        raise typer.Exit(EXIT_NOT_STARTED) from None
    if log_level in ("debug", "info"):
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/docs"
        typer.echo(f"the API answers on {address} until Ctrl-C", err=True)
    config = uvicorn.Config("warrener_api.serve:app", log_level=log_level, factory=True)
    server = uvicorn.Server(config)
    with listening, suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(EXIT_NOT_STARTED)
