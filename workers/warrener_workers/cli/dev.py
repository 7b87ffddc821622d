"""`warrener dev`: everything in one go, for everyday work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from warrener import Settings

from . import api, dev_file
from .options import AppPath, console


def dev(
    app: AppPath,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when a .py file changes.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the API; 8000 unless that is taken."),
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1)] = 4,
    data: Annotated[
        Path, typer.Option(help="Where RabbitMQ and Redis keep their data.")
    ] = dev_file.FILE.parent,
) -> None:
    """Run a private RabbitMQ and Redis, a worker per queue, beat and the API, until Ctrl-C.

    Other commands of `warrener` find them while they run, if started in the same folder.
    """
    try:
        from ..nodes import NodeError
        from ..nodes.ports import is_free
        from . import crew
    except ModuleNotFoundError as error:  # fcntl
        _refuse(f"dev needs Linux or macOS: {error}")
    if not api.has_packages():
        _refuse(f"dev serves the API as well, and {api.LACKS_PACKAGES}")
    os.environ["WARRENER_APP"] = app
    # Ctrl-C reaches this process first; it then stops the others in order.
    with _interruptible():
        if port is not None and not is_free(port, host):
            _refuse(f"port {port} on {host} is taken: choose another --port, or end what has it")
        # Before the servers, which take seconds: most mistakes are in the app.
        queues = crew.ask_queues()
        if queues is None:
            raise typer.Exit(2)
        port = port or crew.port_for("the API", crew.API_PORT, host)
        try:
            with _servers(app, data):
                console.print(f"API      http://{host}:{port}/docs")
                crew.Crew(host, port, concurrency).work(queues, reload)
        except NodeError as error:
            _refuse(str(error))


@contextmanager
def _servers(app: str, data: Path) -> Iterator[None]:
    """RabbitMQ and Redis, where this process's children and other commands find them."""
    from . import crew

    with crew.servers(data) as (broker, store):
        found = {
            "WARRENER_AMQP_URL": broker.amqp_url,
            "WARRENER_REDIS_URL": store.url,
            "WARRENER_APP": app,
        }
        os.environ.update(found)
        os.environ["WARRENER_CONSUMER_TIMEOUT"] = str(crew.CONSUMER_TIMEOUT)
        os.environ.setdefault("WARRENER_GRACE", str(crew.GRACE))
        with dev_file.published(data / dev_file.NAME, found):
            console.print(f"RabbitMQ {broker.amqp_url}  management {broker.management_url}")
            console.print(f"Redis    {store.url}")
            _say_who_finds_them(found, data)
            yield


def _say_who_finds_them(found: Mapping[str, str], data: Path) -> None:
    usual = [Settings.model_fields[name].default for name in ("amqp_url", "redis_url")]
    urls = [found[name] for name in dev_file.SERVERS]
    everywhere = [secret.get_secret_value() for secret in usual] == urls
    here = data.resolve() == dev_file.FILE.parent.resolve()
    if here:
        console.print("`warrener` finds these from this folder, without settings")
    if not (here and everywhere):
        console.print("other programs need" if here else "`warrener` and other programs need")
        for name in dev_file.SERVERS if here else found:
            console.print(f"  export {name}={found[name]}", highlight=False)


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"warrener: {reason}", err=True)
    raise typer.Exit(2)


@contextmanager
def _interruptible() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    # SIGINT as well: a shell starts background jobs with it ignored, and Python leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with suppress(KeyboardInterrupt):
        yield
