"""What `warrener dev` runs: the servers of its own, and the processes that import the user's app.
Unix only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import typer

from ..nodes import RabbitNode, RedisNode, private_rabbitmq, private_redis
from ..nodes.ports import LOOPBACK, free_ports, is_free
from ..nodes.processes import dying_with_me
from . import api
from .options import console

GRACE = 5.0
"""Seconds that workers get to finish what runs when they are restarted or stopped."""

API = "the API"

CONSUMER_TIMEOUT = 365 * 86_400
"""Seconds that its RabbitMQ leaves a delivery with a worker: somebody may sit in a debugger."""

AMQP_PORT, REDIS_PORT, API_PORT = 5672, 6379, 8000
"""The ports of Warrener's default settings, so that programs find `dev` without any."""


_BROKER = {"consumer_timeout": str(CONSUMER_TIMEOUT * 1000)}


@contextmanager
def servers(data: Path) -> Iterator[tuple[RabbitNode, RedisNode]]:
    """A RabbitMQ and a Redis on their usual ports, or on others if those are taken. Raises NodeError."""
    amqp, redis = port_for("RabbitMQ", AMQP_PORT), port_for("Redis", REDIS_PORT)
    with (
        private_rabbitmq(data / "rabbitmq", port=amqp, config=_BROKER) as broker,
        private_redis(data / "redis", port=redis) as store,
    ):
        yield broker, store


def port_for(what: str, usual: int, host: str = LOOPBACK) -> int:
    """The usual port, or, said aloud, another one if it is taken."""
    if is_free(usual, host):
        return usual
    [other] = free_ports(1)
    console.print(f"port {usual} is taken: {what} gets {other} instead", highlight=False)
    return other


class Crew:
    """The processes that import the user's app: workers, beat and the API."""

    def __init__(self, host: str, port: int, concurrency: int) -> None:
        self._host = host
        self._port = port
        self._concurrency = concurrency
        self._processes: dict[subprocess.Popen[bytes], str] = {}
        """Each with what it is, for people."""

    def work(self, queues: Sequence[str], reload: bool) -> None:
        """Start them, restart them on changes if `reload`, and stop them at the end. Returns only by
        KeyboardInterrupt, or when one of them ends and nothing would bring it back."""
        changes = _changes() if reload else None
        found: Sequence[str] | None = queues
        try:
            while True:
                if found is not None:
                    self._start(found)
                self._until(changes)
                self._stop()
                found = ask_queues()
        finally:
            self._stop()

    def _until(self, changes: threading.Event | None) -> None:
        told: set[str] = set()
        while changes is None or not changes.is_set():
            time.sleep(0.1)
            for process, what in self._processes.items():
                code = process.poll()
                if code is None or what in told:
                    continue
                told.add(what)
                if changes is None or (what == API and code == api.EXIT_NOT_STARTED):
                    console.print(f"{what} has ended, and so does dev")
                    raise typer.Exit(code or 1)
                console.print(f"{what} has ended: it starts again when a .py file changes")
        changes.clear()
        console.print("a file has changed: restarting workers and API")

    def _start(self, queues: Sequence[str]) -> None:
        for queue in queues:
            name = f"dev-{queue}-{os.getpid()}"
            what = f"the worker of {queue}"
            self._run(what, "worker", queue, "--name", name, "-c", str(self._concurrency))
        self._run("beat", "beat", "--log-level", "warning")
        listen = ("--host", self._host, "--port", str(self._port))
        self._run(API, "api", *listen, "--log-level", "warning")

    def _run(self, what: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "warrener_workers.cli", *arguments]
        # A session of its own: Ctrl-C is for this process, which stops them in order.
        process = subprocess.Popen(dying_with_me(command), start_new_session=True)
        self._processes[process] = what

    def _stop(self) -> None:
        processes, self._processes = list(self._processes), {}
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
from warrener import WarrenerError
from warrener.loading import load_app
from warrener.imports import users_traceback
try:
    queues = load_app(sys.argv[1]).queues
except WarrenerError as error:
    sys.exit(f"{users_traceback(error)}warrener: {error}")
sys.stdout.buffer.write(orjson.dumps(queues))
"""


def ask_queues() -> Sequence[str] | None:
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
