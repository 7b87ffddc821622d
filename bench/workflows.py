"""`python -m bench.workflows`: what a chord costs beside the same jobs without one.

Rounds alternate on the same private RabbitMQ and Redis. Submitted before the worker starts; timed from the
first end of a job to the last one's, and for the chord to the end of its body.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import redis

from bench import parts, tasks
from bench.__main__ import console
from bench.sides import Servers, Side, sides, working
from warrener import chord
from warrener.settings import Settings
from warrener_workers.nodes import private_rabbitmq, private_redis


class Chords:
    """Chords on the servers of a bench."""

    def __init__(self, side: Side, servers: Servers, members: int, slots: int) -> None:
        self._side = side
        self._servers = servers
        self._settings = Settings(amqp_url=servers.amqp, redis_url=servers.redis)
        self._members = members
        self._slots = slots
        self._store = redis.Redis.from_url(servers.redis)

    def run(self) -> tuple[float, float]:
        """Seconds to submit a chord, and to drain it."""
        began = time.monotonic()
        flow_id = asyncio.run(self._submit())
        submitted = time.monotonic() - began
        key = f"warrener:workflow:{{{flow_id}}}"
        with working(self._side, self._servers, self._slots):
            while not self._store.hget(key, "done"):
                time.sleep(0.005)
            started = time.monotonic()
            while self._store.hget(key, "state") != b"SUCCESS":
                time.sleep(0.01)
            return submitted, time.monotonic() - started

    async def _submit(self) -> str:
        tasks.app.settings = self._settings
        async with tasks.app as app:
            members = [tasks.nothing.s() for _ in range(self._members)]
            return (await app.start(chord(members, tasks.gathered.s()))).id


def main() -> None:
    """Run the rounds and print what they took."""
    parser = argparse.ArgumentParser(prog="python -m bench.workflows", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=100)
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_rabbitmq(Path(folder) / "rabbitmq") as broker,
        private_redis(Path(folder) / "redis") as store,
    ):
        servers, [side, *_] = Servers(broker.amqp_url, store.url), sides(None, wanted.slots)
        chords = Chords(side, servers, wanted.jobs, wanted.slots)
        ratios = []
        for number in range(1, wanted.rounds + 1):
            rate, _ = parts.drain(side, servers, wanted.slots, wanted.jobs)
            alone = wanted.jobs / rate
            submitted, drained = chords.run()
            ratios.append(drained / alone)
            console.print(
                f"round {number}: {wanted.jobs:,} jobs {alone:.2f} s; as a chord {drained:.2f} s "
                f"(submitted in {submitted:.2f} s): {ratios[-1]:.2f} times"
            )
    console.print(f"median: {statistics.median(ratios):.2f} times")


if __name__ == "__main__":
    main()
