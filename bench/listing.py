"""`python -m bench.listing`: how long pages of a listing take, with 100,000 jobs in the store.

The records are made by the transitions themselves, on a private Redis; a page is timed as its caller
sees it: in Python, and as a client of the API, without the network.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from warrener import State, Warrener, transitions
from warrener.ids import new_id
from warrener.listing import Listing, Wanted
from warrener.lists import Lists
from warrener.messages import Message
from warrener.redis_connections import open_client
from warrener.reindexing import Reindexer
from warrener.settings import Settings
from warrener.store import Store
from warrener.transitions import Failing, Runner, Transition
from warrener_api import create_app
from warrener_workers.nodes import private_redis

ME = Runner("bench", "bench")
TTLS = (3600.0, 3600.0)
CASES = {
    "all": Wanted(),
    "a rare task": Wanted(task="bench.rare"),
    "SUCCESS": Wanted(frozenset({State.SUCCESS})),
    "PENDING, of which there are few": Wanted(frozenset({State.PENDING})),
    "waiting": Wanted(frozenset({State.SCHEDULED, State.RETRY})),
    "FAILURE of a queue": Wanted(frozenset({State.FAILURE}), queue="bench.1"),
    "SUCCESS of a rare task": Wanted(frozenset({State.SUCCESS}), task="bench.rare"),
}
HTTP = {
    "GET /jobs": "/jobs?size=100",
    "GET /jobs of a rare task": "/jobs?size=100&task=bench.rare",
    "GET /jobs that are PENDING": "/jobs?size=100&state=PENDING",
    "GET /jobs that failed, of a queue": "/jobs?size=100&state=FAILURE&queue=bench.1",
    "the dashboard's jobs": "/desk/jobs",
    "the same of a rare task": "/desk/jobs?task=bench.rare",
    "the same that are PENDING": "/desk/jobs?state=PENDING",
}


def main() -> None:
    """Fill the store, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=50, help="for each kind of listing")
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_redis(Path(folder)) as redis,
    ):
        asyncio.run(_measure(redis.url, wanted.jobs, wanted.pages))


async def _measure(url: str, jobs: int, pages: int) -> None:
    settings = Settings(redis_url=SecretStr(url))
    store = Store(settings, open_client(settings), time.time)
    store.attach(Lists(settings.namespace))
    for start in range(0, jobs, 1000):
        for moves in _lives(range(start, min(start + 1000, jobs))):
            await store.apply(moves)
    table = Table(title=f"pages of 100, {jobs:,} jobs")
    for column in ("listing", "p50 ms", "p95 ms", "jobs on its pages", "empty pages"):
        table.add_column(column)
    for name, which in CASES.items():
        times, found, empty = await _pages(Listing(settings, store), which, pages)
        p95 = statistics.quantiles(times, n=20)[-1]
        table.add_row(name, f"{statistics.median(times):.1f}", f"{p95:.1f}", str(found), str(empty))
    console = Console(width=120)
    console.print(table)
    console.print(await _over_http(url, pages))
    console.print(f"load of this machine: {' '.join(f'{one:.1f}' for one in os.getloadavg())}")
    began = time.monotonic()
    report = await Reindexer(settings, store, time.time).rebuild()
    console.print(f"made again from {report.records:,} records in {time.monotonic() - began:.1f} s")
    await store.close()


async def _over_http(url: str, pages: int) -> Table:
    table = Table(title="the first page, over HTTP")
    for column in ("page", "p50 ms", "p95 ms"):
        table.add_column(column)
    app = Warrener(redis_url=url)
    transport = httpx.ASGITransport(create_app(app))
    async with app, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        for name, path in HTTP.items():
            times = []
            for _ in range(pages):
                began = time.perf_counter()
                (await http.get(path)).raise_for_status()
                times.append((time.perf_counter() - began) * 1000)
            p95 = statistics.quantiles(times, n=20)[-1]
            table.add_row(name, f"{statistics.median(times):.1f}", f"{p95:.1f}")
    return table


async def _pages(listing: Listing, wanted: Wanted, pages: int) -> tuple[list[float], int, int]:
    times, found, empty, cursor = [], 0, 0, None
    for _ in range(pages):
        began = time.perf_counter()
        page = await listing.page(wanted, cursor, 100)
        times.append((time.perf_counter() - began) * 1000)
        found, empty, cursor = found + len(page.jobs), empty + (not page.jobs), page.cursor
    return times, found, empty


def _lives(numbers: range) -> list[list[Transition]]:
    """Of a thousand jobs: most succeed, some fail, wait or are of a rare task; the oldest stay PENDING."""
    submits, claims, ends = [], [], []
    now = time.time()
    for n in numbers:
        task = "bench.rare" if n % 1000 == 7 else f"bench.task{n % 9}"
        due = now + n if n % 50 == 3 else None
        message = Message(new_id(), task, b"{}", created=now - 1000 + n / 1000, due=due)
        queue = f"bench.{n % 3}"
        submits.append(transitions.submit(message, queue))
        if due is not None or n < 100:
            continue
        claims.append(transitions.claim(message, queue, message.job_id, ME, now, 3600.0))
        if n % 10 == 4:
            how = Failing(b'{"type":"E","message":"m"}', b'{"attempt":1}', b"{}", 3600.0)
            about = (message, queue)
            ends.append(transitions.fail(message.job_id, message.job_id, now, how, None, about))
        else:
            ends.append(transitions.succeed(message.job_id, message.job_id, now, b'"result"', TTLS))
    return [submits, claims, ends]


if __name__ == "__main__":
    main()
