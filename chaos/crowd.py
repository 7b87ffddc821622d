"""The crowd: submitters through HTTP and Python, who remember what was accepted, and revoke some of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx

from warrener import JobStatus, State, Warrener, WarrenerError

from .throttles import RUSH

# Task, weight, and its arguments, drawn anew for each job.
Draw = Callable[[random.Random], dict[str, Any]]
REPAIRED = (0, 0, 0, 1)
MIX: list[tuple[str, int, Draw]] = [
    ("succeed", 60, lambda chance: {"n": chance.randrange(1000)}),
    ("sleep", 10, lambda chance: {"seconds": round(chance.uniform(0, 2), 2)}),
    ("block", 6, lambda chance: {"seconds": round(chance.uniform(0, 1.5), 2)}),
    ("burn", 4, lambda chance: {"seconds": round(chance.uniform(0, 0.6), 2)}),
    ("stumble", 8, lambda chance: {}),
    ("fail", 5, lambda chance: {"repaired_in": chance.randrange(0, 3)}),
    ("die", 2, lambda chance: {"how": chance.choice(["exit", "segfault"])}),
    ("overrun", 1, lambda chance: {}),
    ("fan_out", 3, lambda chance: {"n": chance.randrange(1, 5)}),
    ("share", 5, lambda chance: {"customer": "c", "seconds": round(chance.uniform(0, 0.3), 2)}),
    ("narrow", 4, lambda chance: {"seconds": round(chance.uniform(0, 0.3), 2)}),
    ("rush", 0, lambda chance: {"n": RUSH}),
    (
        "weave",
        3,
        lambda chance: {"n": chance.randrange(1, 6), "repaired_in": chance.choice(REPAIRED)},
    ),
]
LATER = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.REQUEST_TIMEOUT)
"""Answers after which the same is sent again."""
SENDERS = ("chaos.tasks.fan_out", "chaos.tasks.rush")
RUSH_EACH = 1000
"""Submissions from one rush to the next."""


def sent_by(records: Iterable[JobStatus | None]) -> set[str]:
    """The jobs that jobs have submitted: their sends returned."""
    return {
        job_id
        for record in records
        if record is not None and record.task in SENDERS and record.state is State.SUCCESS
        for job_id in record.result or ()
    }


class Crowd:
    """Submits until told to stop. `accepted` are the ids of jobs that got a 202, or whose send()
    returned."""

    def __init__(self, seed: int, api_url: str, rate: float, highest: int = 0) -> None:
        self.accepted: set[str] = set()
        self.tried: set[str] = set()
        """Workflows that were submitted, whatever was answered."""
        self.flows: dict[str, int] = {}
        """Workflows that were accepted, and what each must come to."""
        self.refused = 0
        self.revoked: dict[str, float] = {}
        """When each job was known to be revoked: the answer said that it waited, and will not run."""
        self.asked = 0
        """Runs that were asked to end."""
        self._recent: deque[str] = deque(maxlen=40)
        self._delayed: deque[str] = deque(maxlen=15)
        self._revoking: set[asyncio.Task[None]] = set()
        self._chance = random.Random(seed)
        self._api_url = api_url
        self._rate = rate
        self._highest = highest
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Submit no more."""
        self._stop.set()

    async def submit(self, app: Warrener) -> None:
        """Half of the jobs by HTTP, half by `app`; returns once stopped and all are answered."""
        async with httpx.AsyncClient(base_url=self._api_url, timeout=30) as http:
            under_way: set[asyncio.Task[None]] = set()
            number = 0
            while not self._stop.is_set():
                number += 1
                name, arguments, options = self._draw(number)
                by_http = self._chance.random() < 0.5
                if by_http or number <= len(MIX):
                    one = self._by_http(http, f"key-{number}", name, arguments, options)
                    work = self._counted(one, options)
                elif name.endswith("weave"):
                    work = self._weave(f"flow-{number}", **arguments)
                else:
                    one = self._by_python(app, name, arguments, options)
                    work = self._counted(one, options)
                task = asyncio.create_task(work)
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                await asyncio.sleep(self._chance.expovariate(self._rate))
            await asyncio.gather(*under_way, *self._revoking)

    def revoke(self) -> None:
        """Revoke some of the last jobs, whatever has become of them, and of those that wait for their time;
        to be called on the loop."""
        for jobs, count in ((self._recent, 6), (self._delayed, 3)):
            for job_id in self._chance.sample(sorted(jobs), min(count, len(jobs))):
                task = asyncio.create_task(self._revoke(job_id))
                self._revoking.add(task)
                task.add_done_callback(self._revoking.discard)

    async def _revoke(self, job_id: str) -> None:
        how = {"terminate": str(self._chance.random() < 0.5).lower()}
        try:
            async with httpx.AsyncClient(base_url=self._api_url, timeout=30) as http:
                answer = await http.delete(f"/jobs/{job_id}", params=how)
        except httpx.HTTPError:
            return
        if answer.status_code == httpx.codes.OK:
            self.revoked[job_id] = time.time()
        self.asked += answer.status_code == httpx.codes.ACCEPTED

    def _draw(self, number: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """A task, its arguments, and options of this job."""
        [(name, _, draw)] = self._chance.choices(MIX, [weight for _, weight, _ in MIX])
        if number <= len(MIX):
            # One of each at least, however few jobs a slow machine takes.
            name, _, draw = MIX[number - 1]
        elif number % RUSH_EACH == 0:
            name, draw = "rush", lambda chance: {"n": RUSH}
        options: dict[str, Any] = {}
        if self._chance.random() < 0.1:
            options["countdown"] = round(self._chance.uniform(0.1, 5), 1)
        if self._chance.random() < 0.4 and self._highest:
            options["priority"] = self._chance.randint(0, self._highest)
        return f"chaos.tasks.{name}", draw(self._chance), options

    async def _counted(self, submission: Awaitable[str | None], options: dict[str, Any]) -> None:
        job_id = await submission
        if job_id is None:
            self.refused += 1
        else:
            self.accepted.add(job_id)
            (self._delayed if "countdown" in options else self._recent).append(job_id)

    async def _by_python(
        self, app: Warrener, name: str, arguments: dict[str, Any], options: dict[str, Any]
    ) -> str | None:
        try:
            task = app.tasks[name]
            handle = await task.options(**options).send(**arguments)
        except WarrenerError:
            return None
        return handle.id

    async def _weave(self, flow_id: str, n: int, repaired_in: int) -> None:
        """As a careful client: the same workflow again until it is accepted, five times at most."""
        from .tasks import woven  # reads the environment

        self.tried.add(flow_id)
        for _ in range(5):
            try:
                await woven(flow_id, n, repaired_in).send()
            except WarrenerError:
                await asyncio.sleep(0.5)
            else:
                self.flows[flow_id] = n
                return
        self.refused += 1

    async def _by_http(
        self,
        http: httpx.AsyncClient,
        key: str,
        name: str,
        arguments: dict[str, Any],
        options: dict[str, Any],
    ) -> str | None:
        """As a careful client: the same key again until there is an answer, five times at most."""
        body: dict[str, Any] = {"task": name, "kwargs": arguments, **options}
        for _ in range(5):
            try:
                answer = await http.post("/jobs", json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
                continue
            if answer.status_code == httpx.codes.ACCEPTED:
                job_id: str = answer.json()["id"]
                return job_id
            if answer.status_code not in LATER:
                raise AssertionError(f"POST /jobs answered {answer.status_code}: {answer.text}")
            await asyncio.sleep(0.5)
        return None
