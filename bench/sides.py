"""The sides of the bench: how each is told to submit, is started, and says that a job is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REFERENCES = ("arq", "streaq")
"""On Redis alone, with other promises: beside the drain for reference."""


@dataclass(frozen=True)
class Side:
    """One framework. Its script submits, sends and waits, and answers a line of JSON."""

    name: str
    python: str
    script: Sequence[str]
    worker: Sequence[str]
    folder: Path = HERE / "peers"
    more: dict[str, str] = field(default_factory=dict)
    record: bool = False
    """True if a result's key is a record with a state, not the result alone."""


@dataclass(frozen=True)
class Servers:
    """Where RabbitMQ and Redis are, and which kind of queue is declared there."""

    amqp: str
    redis: str
    kind: str = "quorum"


def sides(peers: str | None, slots: int) -> list[Side]:
    """Warrener on both transports, and the peers if they are there."""
    worker = ["-m", "warrener_workers.cli", "worker", "bench", "--app", "bench.tasks:app"]
    worker += ["-c", str(slots), "--log-level", "warning"]
    ours = [
        Side(name, sys.executable, ("-m", "bench.tasks"), worker, HERE.parent, more, record=True)
        for name, more in (
            ("Warrener (fast)", {"WARRENER_TRANSPORT": "fast"}),
            ("Warrener (plain)", {"WARRENER_TRANSPORT": "plain"}),
        )
    ]
    if peers is None:
        return ours
    celery = ("-m", "celery", "-A", "celery_tasks", "worker", "-P", "solo", "--loglevel", "error")
    # Its threads are its slots; more than this many only slow no-op jobs down.
    threads = str(min(slots, 100))
    dramatiq = ("-m", "dramatiq", "dramatiq_tasks", "--processes", "1", "--threads", threads)
    taskiq = ["-m", "taskiq", "worker", "taskiq_tasks:broker", "--workers", "1"]
    taskiq += ["--ack-type", "when_executed", "--max-async-tasks", str(slots)]
    taskiq += ["--log-level", "ERROR"]
    stream = ("-m", "faststream", "run", "faststream_tasks:app", "--log-level", "error")
    return [
        *ours,
        Side("Celery solo", peers, ("celery_tasks.py",), celery),
        Side("Dramatiq", peers, ("dramatiq_tasks.py",), dramatiq),
        Side("Taskiq", peers, ("taskiq_tasks.py",), taskiq),
        Side("FastStream", peers, ("faststream_tasks.py",), stream),
        Side("arq", peers, ("arq_tasks.py",), ("-m", "arq", "arq_tasks.WorkerSettings")),
        Side("streaq", peers, ("streaq_tasks.py",), ("-m", "streaq", "run", "streaq_tasks:worker")),
    ]


def environment(side: Side, servers: Servers, slots: int) -> dict[str, str]:
    """What its processes are started with."""
    return {
        **os.environ,
        "BENCH_AMQP_URL": servers.amqp,
        "BENCH_REDIS_URL": servers.redis,
        "BENCH_QUEUE_TYPE": servers.kind,
        "BENCH_SLOTS": str(slots),
        "WARRENER_AMQP_URL": servers.amqp,
        "WARRENER_REDIS_URL": servers.redis,
        "WARRENER_QUEUE_TYPE": servers.kind,
        # A busy machine confirms slowly, which is no reason to end a benchmark.
        "WARRENER_PUBLISH_TIMEOUT": "120",
        "dramatiq_queue_prefetch": str(slots),
        **side.more,
    }


def ask(side: Side, servers: Servers, slots: int, *words: object) -> Any:
    """What its script answers."""
    done = subprocess.run(
        [side.python, *side.script, *map(str, words)],
        cwd=side.folder,
        env=environment(side, servers, slots),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def submit(side: Side, servers: Servers, slots: int, count: int, seconds: float) -> list[str]:
    """Submit jobs of so many seconds, and return the keys of the results."""
    return [str(key) for key in ask(side, servers, slots, "submit", count, seconds)]


@contextmanager
def working(side: Side, servers: Servers, slots: int) -> Iterator[subprocess.Popen[bytes]]:
    """Its worker, until the end."""
    process = subprocess.Popen(
        [side.python, *side.worker],
        cwd=side.folder,
        env=environment(side, servers, slots),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
