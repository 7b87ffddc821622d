"""`python -m bench.letters`: 100,000 dead letters listed, searched, grouped and replayed.

On a private RabbitMQ and Redis. The letters are published as workers publish them, with records of jobs
that failed. Pages are timed as a client of the API sees them, without the network; passes as operations,
from the moment they are asked for to their end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from warrener import Warrener, transitions
from warrener.asking import ask
from warrener.client import Client
from warrener.dead_letters import Death, bury
from warrener.ids import new_id
from warrener.letter_index import DeadLetterIndex
from warrener.messages import Message
from warrener.operating import OperationRunner
from warrener.operations import Operation, Operations, Wanted
from warrener.records import JobError
from warrener.selecting import ALL, Selection
from warrener.transitions import Failing, Runner
from warrener_api import create_app
from warrener_workers import registry
from warrener_workers.nodes import private_rabbitmq, private_redis

QUEUE = "bench"
BAR = 300.0
"""Milliseconds within which 95 % of the pages must be there."""
ME = Runner("bench", "bench")
CAUSES = 12
TASKS = ["bench.rare", *(f"bench.task{n}" for n in range(9))]
TRACEBACK = "".join(
    f'  File "/srv/app/shop/step{n}.py", line {n}, in step{n}\n    return deeper({n})\n'
    for n in range(12)
)
PAGES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "of a task, one in nine": {"task": "bench.task3"},
    "of a rare task, one in a thousand": {"task": "bench.rare"},
    "of an exception": {"cause": "Error7"},
    "with a text that all have": {"text": "order"},
    "with a text that one has, far down": {"text": "order 99990x"},
    "with a text that none has": {"text": "no such text"},
    "with three attempts, younger than an hour": {"min_attempts": 3, "newer_than": 3600},
    "replayed before, as none was": {"min_replays": 1},
}


DESK = {
    "the dashboard's page: groups and the newest": f"/desk/dead?queue={QUEUE}",
    "the same of a task, one in nine": f"/desk/dead?queue={QUEUE}&task=bench.task3",
    "the same with a text that none has": f"/desk/dead?queue={QUEUE}&text=no+such+text",
    "the dashboard's jobs": "/desk/jobs",
    "the dashboard's overview": "/",
}


def main() -> None:
    """Fill the queue, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.letters", description=__doc__)
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=30, help="of each kind")
    parser.add_argument("--no-passes", action="store_true", help="only pages")
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_rabbitmq(Path(folder) / "rabbitmq") as broker,
        private_redis(Path(folder) / "redis") as store,
    ):
        app = Warrener(amqp_url=broker.amqp_url, redis_url=store.url, default_queue=QUEUE)
        for name in TASKS:
            app.task(name=name, queue=QUEUE)(_nothing)
        bench = _Bench(app, broker.pid, wanted.letters, wanted.pages)
        asyncio.run(bench.run(passes=not wanted.no_passes))


async def _nothing(order: str) -> None:
    """Declares the queue; no worker runs."""


class _Bench:
    def __init__(self, app: Warrener, broker: int, letters: int, pages: int) -> None:
        self._app = app
        self._broker = psutil.Process(broker)
        self._letters = letters
        self._pages = pages
        self._console = Console(width=120)

    async def run(self, *, passes: bool) -> None:
        async with self._app:
            known = registry.parse(registry.describe(self._app)).catalogue
            await self._client.catalogue.publish(known)  # as their workers would
            await self._memory("before")
            began = time.monotonic()
            for start in range(0, self._letters, 1000):
                await self._fill(range(start, min(start + 1000, self._letters)))
            took = time.monotonic() - began
            self._console.print(f"{self._letters:,} letters made in {took:.0f} s")
            await self._memory("with all letters")
            web = create_app(self._app)
            transport = httpx.ASGITransport(web)
            http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=600)
            async with http:
                await _timed(http, f"/desk/dead?queue={QUEUE}")  # its connections are open
                await self._time_pages(http)
            if passes:
                await self._time_passes()
                await self._memory("at the end")

    async def _fill(self, numbers: Sequence[int]) -> None:
        """A thousand jobs that failed: their records, their letters, and the list of these."""
        now = time.time()
        submits, claims, fails, outgoing, letters = [], [], [], [], []
        for n in numbers:
            task = "bench.rare" if n % 1000 == 7 else f"bench.task{n % 9}"
            body = f'{{"args":[],"kwargs":{{"order":"order {n}x {"." * 150}"}}}}'.encode()
            message = Message(new_id(), task, body, created=now, attempt=1 + n % 3)
            kind = n % CAUSES
            error = JobError(
                f"shop.errors.Error{kind}", f"order {n} failed", TRACEBACK, "error", f"shop:{kind}"
            )
            attempts = [
                {"attempt": a + 1, "worker": "w", "type": error.type, "message": error.message}
                for a in range(message.attempt)
            ]
            copy, letter = bury(message, QUEUE, Death(error, now - n / 100, "bench-1", attempts))
            first = Message(message.job_id, task, body, created=now)
            submits.append(transitions.submit(first, QUEUE))
            claims.append(transitions.claim(message, QUEUE, first.job_id, ME, now, 3600.0))
            how = Failing(error.to_json(), b'{"attempt":1}', b"{}", 3600.0)
            about = (message, QUEUE)
            fails.append(transitions.fail(first.job_id, first.job_id, now, how, None, about))
            outgoing.append(copy)
            letters.append(letter)
        for moves in (submits, claims, fails):
            await self._client.store.apply(moves)
        assert not any(await self._client.publisher.publish_many(outgoing))
        await self._index.add(letters)

    async def _time_pages(self, http: httpx.AsyncClient) -> None:
        table = Table(title=f"GET /dead-letters/{QUEUE}, {self._letters:,} dead letters")
        for column in ("pages of 100", "p50 ms", "p95 ms", "bar"):
            table.add_column(column)
        for name, wanted in PAGES.items():
            self._row(table, name, await self._pages_of(http, wanted))
        for name, path in (("groups", "groups"), ("a letter", f"letters/{await self._one()}")):
            times = [
                await _timed(http, f"/dead-letters/{QUEUE}/{path}") for _ in range(self._pages)
            ]
            self._row(table, name, times)
        for name, path in DESK.items():
            self._row(table, name, [await _timed(http, path) for _ in range(self._pages)])
        self._console.print(table)
        print(f"load of this machine: {' '.join(f'{one:.1f}' for one in os.getloadavg())}")

    def _row(self, table: Table, name: str, times: list[float]) -> None:
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        table.add_row(name, f"{p50:.0f}", f"{p95:.0f}", "met" if p95 < BAR else "NOT MET")

    async def _pages_of(self, http: httpx.AsyncClient, wanted: dict[str, Any]) -> list[float]:
        """Milliseconds of page after page, from the newest again after the last."""
        times, cursor = [], ""
        for _ in range(self._pages):
            began = time.perf_counter()
            answer = await http.get(
                f"/dead-letters/{QUEUE}", params={**wanted, "cursor": cursor, "size": 100}
            )
            times.append((time.perf_counter() - began) * 1000)
            cursor = answer.raise_for_status().json()["next"] or ""
        return times

    async def _one(self) -> str:
        return (await self._index.search([QUEUE], size=1)).letters[0].id

    async def _time_passes(self) -> None:
        middle = Selection(text=f"order {self._letters // 2}x")
        replay, tenth = Wanted("replay", QUEUE, "bench", ALL), self._letters // 10
        few = Selection(max_attempts=1)
        for name, wanted in (
            ("the first ten replayed", replace(replay, limit=10)),
            ("the first tenth replayed", replace(replay, limit=tenth)),
            ("one replayed, from the middle", replace(replay, selection=middle)),
            ("reindexed", Wanted("reindex", QUEUE, "bench", ALL)),
            ("a third discarded", Wanted("discard", QUEUE, "bench", few, reason="bench")),
            ("the rest replayed", replay),
        ):
            began = time.monotonic()
            one = await self._done(wanted)
            took = time.monotonic() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self._console.print(
                f"{name}: {one.done:,} of {one.seen:,} met, {took:.1f} s, {one.seen / took:,.0f} "
                f"letters/s; this process held {peak:.0f} MB at most"
            )
            assert (one.state, one.faults) == ("done", []), one
        assert await self._index.count(QUEUE) == 0

    async def _done(self, wanted: Wanted) -> Operation:
        operations = Operations(self._app.settings, self._client.store)
        async with OperationRunner(lambda: self._client).working():
            operation_id = await ask(self._client, wanted)
            while not (one := await operations.find(operation_id)).has_ended:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return one

    async def _memory(self, when: str) -> None:
        facts: Any = await self._client.store.client.info("memory")
        store, broker = facts["used_memory"] / 2**20, self._broker.memory_info().rss / 2**20
        mine = psutil.Process().memory_info().rss / 2**20
        self._console.print(
            f"memory {when}: Redis {store:.0f} MB, RabbitMQ {broker:.0f} MB, this process {mine:.0f} MB"
        )

    @property
    def _client(self) -> Client:
        client = self._app.backend()
        assert isinstance(client, Client)
        return client

    @property
    def _index(self) -> DeadLetterIndex:
        return DeadLetterIndex(self._app.settings, self._client.store)


async def _timed(http: httpx.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    (await http.get(path)).raise_for_status()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
