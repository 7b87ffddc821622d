"""`POST /jobs` of one uvicorn process against the same app's empty POST, and batches."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from warrener_workers.nodes.ports import LOOPBACK, free_ports

from .. import tasks
from ..bars import Bar, Found, ratio
from ..load import Asking, answers_per_second
from ..rounds import Run
from ..sides import HERE, Servers, environment
from ..watching import Missing

SINGLE = Bar("POST /jobs, one uvicorn process, ≥ 0.5 of the same app's empty POST", least=0.5)
BATCH = Bar("POST /jobs/batch, ≥ 10 × the single rate, per job", least=10)
BARS = (SINGLE, BATCH)
JOBS = 1000
"""Of one batch, as many as it takes."""
CONNECTIONS = 50
FEW = 4
"""Connections for batches."""


def measure(run: Run) -> Found:
    """Answers per second; of batches, jobs per second."""
    seconds = 1.0 if run.quick else 4.0
    found = Found()
    job = {"task": tasks.nothing.name}
    with run.place("http") as servers, _serving(run, servers) as port:
        ask = partial(_asking, port)
        measures = {
            "an empty POST": partial(_rate, ask("/empty", b""), CONNECTIONS, seconds, 1),
            "POST /jobs": partial(_rate, ask("/jobs", _json(job)), CONNECTIONS, seconds, 1),
            f"POST /jobs/batch of {JOBS:,}": partial(
                _rate, ask("/jobs/batch", _json({"jobs": [job] * JOBS})), FEW, seconds, JOBS
            ),
        }
        each = run.interleaved("http", measures)
    found.table("HTTP, one uvicorn process", {"jobs/s": each}, count=CONNECTIONS)
    empty, single, batch = each.values()
    found.judged[SINGLE] = ratio(single, empty, "an empty POST")
    found.judged[BATCH] = ratio(batch, single, "the single rate")
    return found


def _rate(asking: Asking, connections: int, seconds: float, jobs: int) -> float:
    return jobs * answers_per_second(asking, connections, seconds)


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def _asking(port: int, path: str, body: bytes) -> Asking:
    head = f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nContent-Length: {len(body)}\r\n"
    kind = "Content-Type: application/json\r\n" if body else ""
    return Asking(LOOPBACK, port, f"{head}{kind}\r\n".encode() + body)


@contextmanager
def _serving(run: Run, servers: Servers) -> Iterator[int]:
    """The app, by uvicorn; its port."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "bench.web:app", "--host", LOOPBACK]
    command += ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    env = environment(run.ours(1), servers, 1)
    process = subprocess.Popen(command, cwd=HERE.parent, env=env)
    try:
        _until_open(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _until_open(process: subprocess.Popen[bytes], port: int) -> None:
    while True:
        if process.poll() is not None:
            raise Missing("uvicorn has ended; its reason is above")
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
