"""What metrics and traces cost a worker: CPU microseconds for each no-op job, `python -m bench.seeing`."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from warrener_workers.nodes import private_rabbitmq, private_redis

from .draining import drain
from .sides import HERE, Servers, Side

SLOTS = 100


def _sides() -> list[Side]:
    worker = ["-m", "warrener_workers.cli", "worker", "bench", "--app", "bench.tasks:app"]
    worker += ["-c", str(SLOTS), "--log-level", "warning"]
    submit, traced = ("-m", "bench.tasks"), {"BENCH_TRACED": "1"}
    return [
        Side("neither", sys.executable, submit, worker, HERE.parent, record=True),
        Side(
            "metrics",
            sys.executable,
            submit,
            [*worker, "--metrics-port", "0"],
            HERE.parent,
            record=True,
        ),
        Side("traces", sys.executable, submit, worker, HERE.parent, traced, record=True),
    ]


def main() -> None:
    """Drain in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    costs: dict[str, list[float]] = {side.name: [] for side in _sides()}
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_rabbitmq(Path(folder) / "rabbitmq") as rabbit,
        private_redis(Path(folder) / "redis") as redis,
    ):
        servers = Servers(rabbit.amqp_url, redis.url)
        for _ in range(wanted.rounds):
            for side in _sides():
                _, spent = drain(side, servers, SLOTS, wanted.jobs)
                costs[side.name].append(sum(spent))
    for name, found in costs.items():
        each = " ".join(f"{one:.0f}" for one in found)
        print(f"{name:8} {statistics.median(found):6.0f} µs of CPU a job   ({each})")


if __name__ == "__main__":
    main()
