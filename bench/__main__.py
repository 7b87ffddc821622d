"""`python -m bench`: Warrener beside its peers on one private RabbitMQ and Redis, in interleaved rounds.

A job counts only when its result can be read, and each must be readable at the end. Figures go to
bench/results/, as JSON, a table and plots; the last lines are the bars, met or not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import about, bars
from bench.parts import PARTS
from bench.rounds import Run
from warrener_workers.nodes import private_rabbitmq, private_redis

RESULTS = Path(__file__).parent / "results"
QUICK_JOBS = 2_000
console = Console(width=None if sys.stdout.isatty() else 120)


def arguments() -> argparse.Namespace:
    """What the bench was asked for."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="of a drain")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", default="1000,100", help="of the drain, with commas between")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few jobs, one round: some minutes")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--peer-python", help="a Python that has the peers; without, they are out")
    wanted = parser.parse_args()
    if wanted.peer_python:
        wanted.peer_python = str(Path(wanted.peer_python).absolute())
    if wanted.quick:
        wanted.jobs, wanted.rounds = QUICK_JOBS, 1
    wanted.only = wanted.only.split(",")
    wanted.slots = tuple(map(int, wanted.slots.split(",")))
    if unknown := set(wanted.only) - set(PARTS):
        parser.error(f"--only {', '.join(sorted(unknown))}: choose of {', '.join(PARTS)}")
    return wanted


@dataclass(frozen=True)
class Report:
    """What a run has found, about which machine."""

    about: dict[str, Any]
    tables: dict[str, Any]
    lines: list[str]

    def write(self, folder: Path, peers: str | None) -> None:
        """As JSON and as a page, with plots where the peers' Python can draw them."""
        folder.mkdir(parents=True, exist_ok=True)
        everything = {"about": self.about, "tables": self.tables, "bars": self.lines}
        (folder / "latest.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False))
        if peers:
            plots = Path(__file__).parent / "peers" / "plots.py"
            subprocess.run([peers, str(plots), str(folder)], check=False)
        subprocess.run([sys.executable, "-m", "bench.page", str(folder)], check=True)


def measured(run: Run, wanted: argparse.Namespace) -> Report:
    """All parts that were asked for."""
    load = os.getloadavg()[0]
    found: dict[bars.Bar, bars.Judged] = {}
    tables: dict[str, Any] = {}
    began = time.monotonic()
    for name in wanted.only:
        one = run.attempt(name, "the whole part", lambda name=name: PARTS[name].measure(run))  # type: ignore[misc]
        if one is not None:
            found |= one.judged
            tables |= one.tables
    everything = [bar for part in PARTS.values() for bar in part.bars]
    facts: dict[str, Any] = {
        **about.machine(run.rabbit, run.store),
        **about.versions(run.peers),
        "rounds": wanted.rounds,
        "jobs of a drain": wanted.jobs,
        "load before": round(load, 1),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    return Report(facts, tables, list(bars.lines(everything, found)))


def main() -> None:
    """Run the parts that were asked for, and say which bars are met."""
    wanted = arguments()
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_rabbitmq(Path(folder) / "rabbitmq") as rabbit,
        private_redis(Path(folder) / "redis") as store,
    ):
        run = Run(
            rabbit,
            store,
            console,
            wanted.peer_python,
            wanted.jobs,
            wanted.rounds,
            wanted.slots,
            wanted.quick,
        )
        report = measured(run, wanted)
    report.write(wanted.out, wanted.peer_python)
    if report.about["load before"] > (os.cpu_count() or 1) / 2:
        console.print("The machine was busy with other work: these figures are not to be quoted.")
    for line in report.lines:
        console.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
