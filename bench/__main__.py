"""`python -m bench`: how fast one worker drains no-op jobs, beside Celery in the same run.

Rounds alternate between the two on the same private RabbitMQ and Redis. The jobs are submitted before the
worker starts; a round is timed from the first result that can be read in Redis to the last, so that
neither the start of the worker nor submission counts. A job counts only when its result can be read.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis
from rich.console import Console
from rich.table import Table

from bench import tasks
from warrener.settings import Settings
from warrener_workers.nodes import private_rabbitmq, private_redis

HERE = Path(__file__).parent
PATIENCE = 300.0
"""Seconds after which a round that has not ended is given up."""
console = Console(width=None if sys.stdout.isatty() else 120)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument(
        "--peer-python", help="a Python that has Celery; without one, it is left out"
    )
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_rabbitmq(Path(folder) / "rabbitmq") as broker,
        private_redis(Path(folder) / "redis") as store,
    ):
        bench = Bench(broker.amqp_url, store.url, wanted.jobs, wanted.slots)
        sides: dict[str, Callable[[], float]] = {"Warrener": bench.warrener}
        if wanted.peer_python:
            sides["Celery solo, acks late"] = lambda: bench.celery(wanted.peer_python)
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(1, wanted.rounds + 1):
            for name, run in sides.items():
                rates[name].append(run())
                console.print(f"round {number}: {name}: {rates[name][-1]:,.0f} jobs/s")
    report(rates, wanted)


def report(rates: dict[str, list[float]], wanted: argparse.Namespace) -> None:
    """Print medians, ranges and the ratio of each pair of rounds."""
    table = Table(
        title=f"{wanted.jobs:,} no-op jobs, {wanted.slots} slots, quorum queue, results stored"
    )
    for column in ("", "jobs/s, median", "range"):
        table.add_column(column)
    for name, values in rates.items():
        spread = f"{min(values):,.0f} – {max(values):,.0f}"
        table.add_row(name, f"{statistics.median(values):,.0f}", spread)
    console.print(table)
    if len(rates) > 1:
        ours, theirs = rates.values()
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        middle = statistics.median(ratios)
        console.print(
            f"ratio, round by round: {middle:.1f} ({min(ratios):.1f} – {max(ratios):.1f})"
        )
    console.print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.platform()}"
    )


class Bench:
    """One set of servers, and a round on them for each side."""

    def __init__(self, amqp_url: str, redis_url: str, jobs: int, slots: int) -> None:
        self._amqp_url = amqp_url
        self._redis_url = redis_url
        self._jobs = jobs
        self._slots = slots
        self._store = redis.Redis.from_url(redis_url)

    def warrener(self) -> float:
        """Jobs per second of one worker with one child."""
        ids = asyncio.run(self._submit())
        command = [sys.executable, "-m", "warrener_workers.cli", "worker", "bench"]
        command += ["--app", "bench.tasks:app", "-c", str(self._slots), "--log-level", "warning"]
        urls = {"WARRENER_AMQP_URL": self._amqp_url, "WARRENER_REDIS_URL": self._redis_url}
        keys = [f"warrener:job:{{{job_id}}}" for job_id in ids]
        with _process(command, HERE.parent, urls):
            return self._drained(keys, self._succeeded)

    async def _submit(self) -> list[str]:
        tasks.app.settings = Settings(amqp_url=self._amqp_url, redis_url=self._redis_url)
        async with tasks.app as app:
            handles = await app.send_many([tasks.nothing.s() for _ in range(self._jobs)])
            return [handle.id for handle in handles]

    def _succeeded(self, keys: Sequence[str]) -> list[bool]:
        pipeline = self._store.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(key, "state")
        return [state == b"SUCCESS" for state in pipeline.execute()]

    def celery(self, python: str) -> float:
        """Jobs per second of `celery worker -P solo`."""
        urls = {
            "BENCH_AMQP_URL": self._amqp_url,
            "BENCH_REDIS_URL": self._redis_url,
            "BENCH_SLOTS": str(self._slots),
        }
        folder = HERE / "peers"
        submit = [python, "celery_tasks.py", str(self._jobs)]
        environment = {**os.environ, **urls}
        done = subprocess.run(
            submit, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        keys = [f"celery-task-meta-{line}" for line in done.stdout.split()]
        command = [python, "-m", "celery", "-A", "celery_tasks", "worker", "-P", "solo"]
        with _process([*command, "--loglevel", "warning"], folder, urls):
            return self._drained(keys, self._exist)

    def _exist(self, keys: Sequence[str]) -> list[bool]:
        pipeline = self._store.pipeline(transaction=False)
        for key in keys:
            pipeline.exists(key)
        return [bool(found) for found in pipeline.execute()]

    def _drained(self, keys: Sequence[str], done: Callable[[Sequence[str]], list[bool]]) -> float:
        """Jobs per second from the first result to the last. Looks at few jobs at a time, so that
        looking costs the store little."""
        left, started, now = list(keys), 0.0, time.monotonic()
        given_up = now + PATIENCE
        while left:
            head, rest = left[:50], left[50:]
            still = [k for k, ended in zip(head, done(head), strict=True) if not ended]
            now = time.monotonic()
            if not started and len(still) < len(head):
                started = now
            if now > given_up:
                raise SystemExit(f"bench: {len(left)} results are missing after {PATIENCE:g} s")
            left = still + rest
            if still:
                time.sleep(0.01)
        # The head was looked at while later ones may have been overtaken: all must be readable now.
        if not all(done(keys)):
            raise SystemExit("bench: a result that had been there is gone")
        return len(keys) / (now - started)


@contextmanager
def _process(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
