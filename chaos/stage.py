"""The stage: private servers, a proxy before each worker's connections, the API, and the workers, which are
started again when they end, as a supervisor would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psutil

from tests.brokers.cluster import private_cluster
from tests.brokers.installed import rabbit_of
from tests.brokers.trees import SUITES
from warrener_workers.nodes import (
    RabbitNode,
    RedisNode,
    private_rabbitmq,
    private_redis,
    this_machines_rabbit,
)
from warrener_workers.nodes.ports import free_ports
from warrener_workers.nodes.processes import dying_with_me

from .lives import Lives
from .plan import BEATS, WORKERS
from .proxy import Proxy

APP = "chaos.tasks:app"
OWN = "own"
"""The version that this machine has."""
QUEUES = ("quick", "slow", "heavy")
BEAT = 1.0
ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


class Loop:
    """An event loop in a thread: servers block the main one while they start, and must be started there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = 60) -> T:
        """The result of this coroutine, run there."""
        return self.start(work).result(timeout)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run it there; answers its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Any) -> None:
        """Call a function there."""
        self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """Stop it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass(slots=True)
class Member:
    """A process of the play, and the two proxies that its connections go through."""

    name: str
    command: list[str]
    env: dict[str, str]
    brokers: list[Proxy]
    store: Proxy
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it, or again; call it from the main thread."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                dying_with_me([sys.executable, "-m", "chaos.entry", *self.command]),
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """True if its process has ended."""
        return self.process is None or self.process.poll() is not None

    def children(self) -> list[psutil.Process]:
        """The living processes that it started."""
        try:
            return [] if self.process is None else psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: int) -> None:
        """Send its process a signal, if it lives."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)


@dataclass(slots=True)
class Stage:
    """Where everything is."""

    loop: Loop
    rabbits: Sequence[RabbitNode]
    """One, or the nodes of a cluster."""
    redis: RedisNode
    folder: Path
    members: list[Member]
    """The workers, the beats, the API, and the submitters' own connections, which have no process."""
    api_url: str
    lives: Lives
    highest_priority: int

    @property
    def workers(self) -> list[Member]:
        """The workers."""
        return self.members[:WORKERS]

    @property
    def beats(self) -> list[Member]:
        """The beats."""
        return self.members[WORKERS : WORKERS + BEATS]

    def end_beats(self) -> None:
        """End them for good: without that the run would never be quiet."""
        for beat in self.beats:
            beat.command = []
            beat.signal(signal.SIGCONT)
            beat.signal(signal.SIGTERM)
        for beat in self.beats:
            if beat.process is not None:
                beat.process.wait(30)

    def keep_up(self) -> None:
        """Start again what has ended."""
        for member in self.members:
            if member.command and member.ended:
                member.start()


@contextmanager
def standing(folder: Path, flaw: str, which: str) -> Iterator[Stage]:
    """Start everything; end it in the reverse order. `flaw` names a rule that is switched off, `which` a
    version of RabbitMQ, or cluster."""
    with ExitStack() as stack:
        rabbits = _rabbits(stack, folder / "rabbitmq", which)
        redis = stack.enter_context(private_redis(folder / "redis"))
        loop = Loop()
        stack.callback(loop.close)
        lives = Lives()
        loop.run(lives.start(folder / "lives"))
        stack.callback(lambda: loop.run(lives.close()))
        [port] = free_ports(1)
        # Quorum queues have priorities from 4.0 on.
        version: str = rabbits[0].manage("GET", "/api/overview")["rabbitmq_version"]
        highest = 9 if int(version.partition(".")[0]) >= 4 else 0
        stage = Stage(loop, rabbits, redis, folder, [], f"http://127.0.0.1:{port}", lives, highest)
        for number in range(WORKERS):
            queues = QUEUES if number % 2 else QUEUES[: 1 + number]
            options = ["--app", APP, "--name", f"worker-{number}", "-c", "4", "--processes", "1"]
            _enter(stage, f"worker-{number}", ["worker", *queues, *options], flaw)
        for number in range(BEATS):
            _enter(stage, f"beat-{number}", ["beat", "--app", APP], flaw)
        _enter(stage, "api", ["api", "--app", APP, "--port", str(port)], flaw)
        _enter(stage, "submitters", [], flaw)
        stack.callback(_end, stage)
        _declare(stage)
        stage.keep_up()
        _wait_until_ready(stage)
        yield stage


def _declare(stage: Stage) -> None:
    """Declare everything ahead, as the operator's guide says: a single node that is killed within 0.3 s of
    the declaration of a quorum queue may hang on that queue when it comes back, on 3.10 and 4.0."""
    command = [sys.executable, "-m", "chaos.entry", "topology", "declare", "--app", APP]
    subprocess.run(command, env=stage.members[-1].env, cwd=ROOT, check=True, capture_output=True)
    time.sleep(1)


def _wait_until_ready(stage: Stage) -> None:
    deadline = time.monotonic() + 60
    waiting = {member.name: " ready: " for member in stage.workers}
    waiting["api"] = "Application startup complete"
    while waiting:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready: {', '.join(waiting)}; see the logs in {stage.folder}")
        waiting = {
            name: words
            for name, words in waiting.items()
            if words not in (stage.folder / f"{name}.log").read_text()
        }
        time.sleep(0.1)


def _rabbits(stack: ExitStack, folder: Path, which: str) -> Sequence[RabbitNode]:
    installed = rabbit_of(which) if which in SUITES else this_machines_rabbit()
    if which == "cluster":
        return stack.enter_context(private_cluster(folder, installed)).nodes
    return [stack.enter_context(private_rabbitmq(folder, installed=installed))]


def _proxy_to(url: str) -> Proxy:
    port = urlsplit(url).port
    assert port is not None
    return Proxy(lambda: port)


def _enter(stage: Stage, name: str, command: list[str], flaw: str) -> None:
    brokers = [_proxy_to(rabbit.amqp_url) for rabbit in stage.rabbits]
    store = _proxy_to(stage.redis.url)
    ports = [stage.loop.run(proxy.start()) for proxy in (*brokers, store)]
    urls = [f"amqp://guest:guest@127.0.0.1:{port}/" for port in ports[:-1]]
    env = {
        **os.environ,
        "CHAOS": str(stage.folder),
        "CHAOS_FLAW": flaw,
        "WARRENER_AMQP_URL": ",".join(urls),
        "WARRENER_REDIS_URL": f"redis://127.0.0.1:{ports[-1]}/0",
        "WARRENER_BEAT": str(BEAT),
        "WARRENER_MAX_PRIORITY": str(stage.highest_priority),
        "WARRENER_HEARTBEAT": "2",
        "WARRENER_GRACE": "5",
        "WARRENER_CONNECT_TIMEOUT": "2",
        "WARRENER_PUBLISH_TIMEOUT": "5",
        "PYTHONUNBUFFERED": "1",
    }
    log = stage.folder / f"{name}.log"
    stage.members.append(Member(name, command, env, brokers, store, log))


def _end(stage: Stage) -> None:
    for member in stage.members:
        member.signal(signal.SIGCONT)
        member.signal(signal.SIGTERM)
    for member in stage.members:
        if member.process is not None:
            try:
                member.process.wait(15)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
        for proxy in (*member.brokers, member.store):
            stage.loop.run(proxy.close())
