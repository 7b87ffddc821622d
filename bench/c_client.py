"""A client in C (librabbitmq): what the broker gives to one that does nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from .sides import HERE, Servers, Side, submit
from .watching import Missing

NAME = "C client"
QUEUE = "bench"
REMEDY = "it needs a C compiler and librabbitmq (on Debian: apt-get install gcc libc6-dev librabbitmq-dev)"


@cache
def _built() -> Path:
    """The program. Raises Missing, with what this machine lacks."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing(f"no C compiler: {REMEDY}")
    program = Path(tempfile.mkdtemp(prefix="warrener-bench-c-")) / "client"
    command = [compiler, "-O2", "-Wall", str(HERE / "c" / "client.c"), "-o", str(program)]
    done = subprocess.run([*command, "-lrabbitmq"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{REMEDY}: {done.stderr.strip().splitlines()[0]}")
    return program


def _run(servers: Servers, mode: str, queue: str, count: int, prefetch: int) -> float:
    url = urlsplit(servers.amqp)
    words = [url.hostname, url.port, url.username, url.password, url.path.removeprefix("/")]
    command = [str(_built()), *map(str, words), mode, queue, str(count), str(prefetch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise Missing(f"the C client failed: {done.stderr.strip()}")
    return float(json.loads(done.stdout))


def drain(side: Side, servers: Servers, slots: int, jobs: int) -> tuple[float, list[float]]:
    """Messages per second that it consumes, each acknowledged by itself: the jobs of a side. It claims
    nothing, runs nothing and stores nothing. Raises Missing."""
    _built()
    submit(side, servers, slots, jobs, 0)
    return jobs / _run(servers, "consume", QUEUE, jobs, slots), []


def publish(servers: Servers, count: int) -> dict[str, float]:
    """Messages per second that it publishes to a quorum queue, the next when the one before is confirmed.
    Raises Missing."""
    return {"one by one": count / _run(servers, "publish", "c-bench", count, 0)}
