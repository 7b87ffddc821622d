"""What the bench measures: each part answers figures by name."""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from warrener import Warrener
from warrener.settings import Settings

from . import tasks
from .sides import Servers, Side, submit, working
from .watching import PATIENCE, TAIL, Missing, Results


class Costs:
    """CPU seconds of a worker and its children: told also where others use the machine."""

    def __init__(self, pid: int) -> None:
        parent = psutil.Process(pid)
        self._processes = [parent, *parent.children(recursive=True)]
        self._before = [self._seconds(one) for one in self._processes]

    @staticmethod
    def _seconds(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    def microseconds(self, jobs: int) -> list[float]:
        """For each job: of the parent, then of each child."""
        after = [self._seconds(one) for one in self._processes]
        return [1e6 * (b - a) / jobs for a, b in zip(self._before, after, strict=True)]


def drain(side: Side, servers: Servers, slots: int, jobs: int) -> tuple[float, list[float]]:
    """Jobs per second of one worker with no-op jobs, from the first result to the last, those that came
    with the first left out; and its CPU microseconds a job. Submitted before the worker starts. Raises
    Missing."""
    results = Results(servers)
    results.forget()
    keys = submit(side, servers, slots, jobs, 0)
    with working(side, servers, slots) as worker:
        _until_first(results, side, keys, worker)
        costs = Costs(worker.pid)
        first = time.monotonic()
        count = jobs - TAIL + len(results.unfinished(side, keys[:TAIL])) if jobs > TAIL else jobs
        last = results.until_all(side, keys)
        return count / (last - first), costs.microseconds(count)


def _until_first(
    results: Results, side: Side, keys: Sequence[str], worker: subprocess.Popen[bytes]
) -> None:
    while not results.done(side, keys[0]):
        if worker.poll() is not None:
            raise Missing(f"{side.name}: its worker has ended")
        time.sleep(0.002)


def naps(side: Side, servers: Servers, slots: int, jobs: int, seconds: float) -> float:
    """Seconds from the first result to the last of jobs that wait so long, and the wait of the first.
    Raises Missing."""
    results = Results(servers)
    results.forget()
    keys = submit(side, servers, slots, jobs, seconds)
    with working(side, servers, slots) as worker:
        _until_first(results, side, keys, worker)
        first = time.monotonic()
        return results.until_all(side, keys) - first + seconds


def idle(side: Side, servers: Servers, slots: int, seconds: float) -> tuple[float, float]:
    """Of a worker that has nothing to do: percent of a core, and MiB of its processes together."""
    with working(side, servers, slots) as worker:
        time.sleep(8)
        costs = Costs(worker.pid)
        time.sleep(seconds)
        share = sum(costs.microseconds(1)) / 1e4 / seconds
        parent = psutil.Process(worker.pid)
        together = sum(p.memory_info().rss for p in [parent, *parent.children(recursive=True)])
        return share, together / 2**20


@contextmanager
def _own(servers: Servers) -> Iterator[Warrener]:
    tasks.app.settings = Settings(
        amqp_url=servers.amqp,  # type: ignore[arg-type,unused-ignore]
        redis_url=servers.redis,  # type: ignore[arg-type,unused-ignore]
        publish_timeout=120,
    )
    yield tasks.app


def latency(side: Side, servers: Servers, slots: int, jobs: int) -> list[float]:
    """Milliseconds from submission to the result as its submitter sees it: p50, p95, p99. Warrener's idle
    worker."""

    async def each() -> list[float]:
        taken = []
        async with tasks.app:
            for _ in range(jobs + 20):
                began = time.perf_counter()
                await (await tasks.nothing.send()).result(timeout=60)
                taken.append(1000 * (time.perf_counter() - began))
        return taken[20:]

    with _own(servers), working(side, servers, slots):
        return percentiles(asyncio.run(each()))


def sending(servers: Servers, jobs: int) -> dict[str, float]:
    """Jobs per second, confirmed: one `send()` after another, 200 in flight, and `send_many`."""

    async def rates() -> dict[str, float]:
        found = {}
        async with tasks.app as app:
            await tasks.nothing.send()
            began = time.perf_counter()
            for _ in range(jobs // 10):
                await tasks.nothing.send()
            found["one by one"] = jobs // 10 / (time.perf_counter() - began)
            places = asyncio.Semaphore(200)

            async def one() -> None:
                async with places:
                    await tasks.nothing.send()

            began = time.perf_counter()
            await asyncio.gather(*(one() for _ in range(jobs)))
            found["200 in flight"] = jobs / (time.perf_counter() - began)
            began = time.perf_counter()
            await app.send_many([tasks.nothing.s() for _ in range(jobs)])
            found["send_many"] = jobs / (time.perf_counter() - began)
        return found

    with _own(servers):
        return asyncio.run(rates())


def peer_sending(side: Side, servers: Servers, jobs: int) -> float:
    """Confirmed jobs per second of a peer's own submission, its start-up taken off."""
    began = time.perf_counter()
    submit(side, servers, 100, 1, 0)
    start_up = time.perf_counter() - began
    began = time.perf_counter()
    submit(side, servers, 100, jobs + 1, 0)
    return jobs / max(1e-9, time.perf_counter() - began - start_up)


def lateness(side: Side, servers: Servers, slots: int, jobs: int, waiting: int) -> list[float]:
    """Milliseconds by which jobs with random delays of 0.5 to 30 s begin late: p50, p95, p99. Beside them
    so many others wait, for about an hour: spread over the ladder's rungs, as they would be in use."""
    chance = random.Random(1)

    async def each() -> list[float]:
        async with tasks.app as app:
            await (await tasks.nothing.send()).result(timeout=PATIENCE)  # the worker is there
            hour = [chance.uniform(3000, 4000) for _ in range(waiting)]
            await app.send_many([tasks.nothing.s().options(countdown=one) for one in hour])
            handles, due = [], []
            for _ in range(jobs):
                delay = chance.uniform(0.5, 30)
                due.append(time.time() + delay)
                handles.append(await tasks.nothing.options(countdown=delay).send())
            for handle in handles:
                await handle.result(timeout=PATIENCE)
            statuses = [await handle.status() for handle in handles]
            started = [status.started or 0.0 for status in statuses]
            return [1000 * (began - at) for began, at in zip(started, due, strict=True)]

    with _own(servers), working(side, servers, slots):
        return percentiles(asyncio.run(each()))


def percentiles(values: Sequence[float]) -> list[float]:
    """p50, p95 and p99."""
    cuts = statistics.quantiles(values, n=100)
    return [cuts[49], cuts[94], cuts[98]]
