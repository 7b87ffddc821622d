"""`warrener dev`: everything in one go, for everyday work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import orjson
import typer

from ..nodes import NodeError, private_rabbitmq, private_redis
from ..nodes.processes import dying_with_me
from .options import AppPath, console

GRACE = 5.0
"""Seconds that workers get to finish what runs when they are restarted or stopped."""


def dev(
    app: AppPath,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when a .py file changes.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the API.")] = 8000,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1)] = 4,
    data: Annotated[Path, typer.Option(help="Where RabbitMQ and Redis keep their data.")] = Path(
        ".warrener"
    ),
) -> None:
    """Run a private RabbitMQ and Redis, a worker per queue and the API, until Ctrl-C."""
    # Ctrl-C reaches this process first; it then stops the others in order.
    with _interruptible():
        try:
            with (
                private_rabbitmq(data / "rabbitmq") as broker,
                private_redis(data / "redis") as store,
            ):
                os.environ["WARRENER_AMQP_URL"] = broker.amqp_url
                os.environ["WARRENER_REDIS_URL"] = store.url
                os.environ["WARRENER_APP"] = app
                os.environ.setdefault("WARRENER_GRACE", str(GRACE))
                console.print(f"RabbitMQ {broker.amqp_url}  management {broker.management_url}")
                console.print(f"Redis    {store.url}\nAPI      http://{host}:{port}/docs")
                _Crew(host, port, concurrency).work(reload)
        except NodeError as error:
            typer.echo(f"warrener: {error}", err=True)
            raise typer.Exit(2) from error


@contextmanager
def _interruptible() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    # SIGINT as well: a shell starts background jobs with it ignored, and Python leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with suppress(KeyboardInterrupt):
        yield


class _Crew:
    """The processes that import the user's app: workers and the API."""

    def __init__(self, host: str, port: int, concurrency: int) -> None:
        self._host = host
        self._port = port
        self._concurrency = concurrency
        self._processes: list[subprocess.Popen[bytes]] = []

    def work(self, reload: bool) -> None:
        """Start them, restart them on changes if `reload`, and stop them at the end. Returns only by
        KeyboardInterrupt, or when one of them ends and nothing would bring it back."""
        changes = _changes() if reload else None
        try:
            while True:
                started = self._start()
                if not started and changes is None:
                    raise typer.Exit(2)
                self._until(changes)
                self._stop()
        finally:
            self._stop()

    def _until(self, changes: threading.Event | None) -> None:
        while changes is None or not changes.is_set():
            time.sleep(0.1)
            ended = next((p for p in self._processes if p.poll() is not None), None)
            if ended is not None and changes is None:
                raise typer.Exit(ended.returncode or 1)
        changes.clear()
        console.print("a file has changed: restarting workers and API")

    def _start(self) -> bool:
        queues = _queues()
        if queues is None:
            return False
        for queue in queues:
            name = f"dev-{queue}-{os.getpid()}"
            self._run("worker", queue, "--name", name, "-c", str(self._concurrency))
        self._run("api", "--host", self._host, "--port", str(self._port), "--log-level", "warning")
        return True

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "warrener_workers.cli", *arguments]
        self._processes.append(
            # A session of its own: Ctrl-C is for this process, which stops them in order.
            subprocess.Popen(dying_with_me(command), start_new_session=True)
        )

    def _stop(self) -> None:
        processes, self._processes = self._processes, []
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + 2 * GRACE
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_ASK_QUEUES = """
import sys
sys.path.insert(0, "")
import orjson
from warrener.app import load_app
sys.stdout.buffer.write(orjson.dumps(load_app(sys.argv[1]).queues))
"""


def _queues() -> Sequence[str] | None:
    """The queues of the app, asked of a process of its own so that this one never holds old code; None
    if the app cannot be imported, which that process has then explained."""
    command = [sys.executable, "-c", _ASK_QUEUES, os.environ["WARRENER_APP"]]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return None
    queues: list[str] = orjson.loads(done.stdout)
    return queues


def _changes() -> threading.Event:
    """An event that is set when Python files below the current folder change."""
    from watchfiles import PythonFilter, watch

    changed = threading.Event()

    def look() -> None:
        for _ in watch(".", watch_filter=PythonFilter(ignore_paths=[".venv", ".warrener"])):
            changed.set()

    threading.Thread(target=look, name="reload", daemon=True).start()
    return changed
