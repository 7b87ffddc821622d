"""`./dev chaos`: does the worker framework keep its promises while everything around it fails?"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from aiormq import spec
from rich.console import Console

from tests.brokers.trees import SUITES
from warrener import JobStatus, Warrener
from warrener.client import Client
from warrener.dead_letters import read as read_letter
from warrener.messages import Message, decode
from warrener.topology import RUNGS, Names

from . import ledger
from .crowd import Crowd, sent_by
from .entry import FLAWS
from .faults import Faults
from .moments import Moments
from .plan import make_plan
from .pulses import Pulses, Ticks
from .report import show
from .stage import OWN, QUEUES, Stage, standing
from .verdict import Evidence, Letter, Verdict, judge
from .weaving import ENDED, Flow, Flows, started_by

QUIET = 240.0
"""Seconds after the last fault within which everything must have ended."""
MET = 300.0
"""Seconds within which, with a rule off, a fault must have fallen into a moment that the rule guards."""
STILL = 60.0
"""Seconds without any change after which what is left counts as left for good."""
console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)


def main() -> int:
    """Run the plan; 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20.0, help="jobs a second")
    parser.add_argument(
        "--rabbitmq", choices=(OWN, *SUITES, "cluster"), default=OWN, help="own: this machine's"
    )
    parser.add_argument("--without", choices=FLAWS, default="", help="switch a rule off: must fail")
    parser.add_argument("--keep", type=Path, help="a new folder for the logs and the ledger")
    wanted = parser.parse_args()
    if wanted.keep and (wanted.keep / "ledger").exists():
        parser.error(f"--keep {wanted.keep}: it has the ledger of another run")
    with tempfile.TemporaryDirectory(prefix="warrener-chaos-") as folder:
        place = (wanted.keep or Path(folder)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=place / "submitters.log", level=logging.INFO)
        with standing(place, wanted.without, wanted.rabbitmq) as stage:
            return Run(stage, wanted).run()


class Run:
    """One run on a stage that stands."""

    def __init__(self, stage: Stage, wanted: argparse.Namespace) -> None:
        self._stage = stage
        self._wanted = wanted
        self._start = time.monotonic()
        self._crowd = Crowd(wanted.seed, stage.api_url, wanted.rate, stage.highest_priority)
        self._faults = Faults(
            stage, wanted.seed, self._say, lambda: stage.loop.call(self._crowd.revoke)
        )
        self._app: Warrener
        self._began = time.time() - 60
        self._looks = Flows(lambda: self._app)

    def _say(self, text: str) -> None:
        console.print(f"{time.monotonic() - self._start:6.1f} s  {text}", markup=False)

    def run(self) -> int:
        """Submit and disturb, wait for quiet, judge."""
        os.environ.update(self._stage.members[-1].env)
        from .tasks import app  # reads the environment

        self._app = app
        submitting = self._stage.loop.start(self._crowd.submit(app))
        self._disturb()
        self._faults.end_all()
        resumed = self._stage.loop.start(self._faults.resume_all())
        self._say("no more faults; waiting for everything to end")
        self._stage.loop.call(self._crowd.stop)
        submitting.result(60)
        while not resumed.done():
            self._until(time.monotonic() + 0.5)
        ticks = self._end_beats()
        calm = self._calm_down()
        evidence = self._stage.loop.run(self._gather(), 120)
        self._stage.loop.run(app.close())
        verdict = judge(evidence)
        verdict.other += ticks.strangers(evidence.records)
        return self._report(verdict, evidence, calm)

    def _end_beats(self) -> Ticks:
        """Let the beats catch up, and end them. Each tick counts as accepted."""
        pulses, end = Pulses(lambda: self._client), time.monotonic() + 60
        while not self._stage.loop.run(pulses.up_to_date()) and time.monotonic() < end:
            self._until(time.monotonic() + 1)
        self._stage.end_beats()
        ticks = self._stage.loop.run(pulses.ticks(self._began))
        self._crowd.accepted |= ticks.ids
        return ticks

    def _disturb(self) -> None:
        wanted = self._wanted
        plan = make_plan(wanted.seed, wanted.minutes, without=wanted.without)
        begun = self._start
        while True:
            for fault in plan:
                self._until(begun + fault.at)
                self._faults.begin(fault)
            begun += wanted.minutes * 60
            self._until(begun)
            # A slow machine may need more than one go.
            if not wanted.without or Moments(self._stage.folder).met(wanted.without):
                return
            if begun > self._start + MET:
                raise TimeoutError(
                    "no fault fell into a moment that the rule guards: nothing is shown"
                )

    def _until(self, then: float) -> None:
        while True:
            self._faults.tick()
            self._stage.keep_up()
            if time.monotonic() >= then:
                return
            time.sleep(0.1)

    def _calm_down(self) -> bool:
        """Wait until every accepted job has ended and nothing is left in a queue."""
        now = changed = time.monotonic()
        end, left = now + QUIET, {"not looked at yet": 1}
        while left and now < min(end, changed + STILL):
            self._until(now + 1)
            now, before, left = time.monotonic(), left, self._stage.loop.run(self._left(), 60)
            if left != before:
                changed = now
        if not left:
            return True
        self._say(f"still not quiet: {left}")
        return False

    async def _left(self) -> dict[str, int]:
        left = {queue: depth for queue, depth in (await self._depths()).items() if depth}
        records = await self._records()
        unfinished = [r for r in records.values() if r is None or not r.is_settled]
        going = [flow for flow in await self._flows(records) if flow.state not in ENDED]
        left |= {"unfinished": len(unfinished)} if unfinished else {}
        return left | ({"workflows": len(going)} if going else {})

    async def _flows(self, records: Mapping[str, JobStatus | None]) -> list[Flow]:
        return await self._looks.look(self._crowd.flows | started_by(records.values()))

    async def _depths(self) -> dict[str, int]:
        names = Names(self._app.settings.namespace)
        depths = {}
        for queue in (*QUEUES, names.undelivered, *names.rungs[: RUNGS // 2]):
            found = await self._client.publisher.depth(queue)
            depths[queue] = int(found.message_count or 0) if found else 0
        return depths

    async def _records(self) -> dict[str, JobStatus | None]:
        ids = sorted(self._crowd.accepted)
        found: dict[str, JobStatus | None] = {}
        for first in range(0, len(ids), 500):
            some = ids[first : first + 500]
            found |= zip(some, await self._client.store.statuses(some), strict=True)
        self._crowd.accepted |= sent_by(found.values())
        return found

    async def _gather(self) -> Evidence:
        executions = ledger.read(
            (self._stage.folder / "ledger").read_text().splitlines(), self._stage.lives.deaths
        )
        await self._records()
        records = await self._records()  # those that jobs have sent as well
        flows = await self._flows(records)
        known = {execution.job_id for execution in executions}
        known |= {part.job_id for flow in flows for part in flow.parts if part.job_id}
        others = sorted(known - records.keys())
        records |= zip(others, await self._client.store.statuses(others), strict=True)
        depths = {queue: depth for queue, depth in (await self._depths()).items() if depth}
        letters = [letter for queue in QUEUES for letter in await self._letters(queue)]
        accepted = frozenset(self._crowd.accepted)
        crowd = self._crowd
        told = (crowd.revoked, flows, frozenset(crowd.tried))
        return Evidence(accepted, records, executions, letters, depths, *told)

    @property
    def _client(self) -> Client:
        backend = self._app.backend()
        assert isinstance(backend, Client)
        return backend

    async def _letters(self, queue: str) -> list[Letter]:
        """Take every letter out of a dead queue: the run is over."""
        found: list[Letter] = []
        async with self._client.publisher.own_channel() as channel:
            while True:
                got = await channel.basic_get(Names("").dead_queue(queue), no_ack=True)
                if not isinstance(got.delivery, spec.Basic.GetOk):
                    return found
                message = decode(got.header.properties, got.body)
                assert isinstance(message, Message), message
                letter = read_letter(message, queue)
                found.append(
                    Letter(letter.job_id, letter.reason, letter.error.type, letter.error.message)
                )

    def _report(self, verdict: Verdict, evidence: Evidence, calm: bool) -> int:
        starts = sum(member.starts for member in self._stage.members)
        more = {"starts of processes": starts, "faults": self._faults.done}
        show(console, verdict, evidence, self._crowd, more)
        ok = verdict.ok and calm
        print(
            f"chaos {'ok' if ok else 'failed'}: accepted={len(evidence.accepted)} "
            f"lost={len(verdict.lost)} rerun={len(verdict.rerun)} "
            f"overlapped={len(verdict.overlapped)} faults={self._faults.done} "
            f"seed={self._wanted.seed}"
        )
        return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
