"""`python -m bench`: Warrener beside its peers on one private RabbitMQ and Redis, in interleaved rounds.

A job counts only when its result can be read, and each must be readable at the end. Figures go to
bench/results/, as JSON, a table and plots; the last lines are the bars, met or not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import bars, parts
from bench.sides import Servers, Side, sides
from bench.watching import Missing
from warrener_workers.nodes import private_rabbitmq, private_redis

RESULTS = Path(__file__).parent / "results"
PARTS = ("drain", "naps", "latency", "send", "delayed", "idle")
console = Console(width=None if sys.stdout.isatty() else 120)


def arguments() -> argparse.Namespace:
    """What the bench was asked for."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", default="1000,100", help="of the drain, with commas between")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few jobs, one round: two minutes")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--peer-python", help="a Python that has the peers; without, they are out")
    wanted = parser.parse_args()
    if wanted.peer_python:
        wanted.peer_python = str(Path(wanted.peer_python).absolute())
    if wanted.quick:
        wanted.jobs, wanted.rounds, wanted.slots = 2_000, 1, "1000"
    if unknown := set(wanted.only.split(",")) - set(PARTS):
        parser.error(f"--only {', '.join(sorted(unknown))}: choose of {', '.join(PARTS)}")
    return wanted


class Bench:
    """The figures of one run, part by part. A side that fails is named, and the rest goes on."""

    def __init__(self, wanted: argparse.Namespace, servers: Servers) -> None:
        self._wanted = wanted
        self._servers = servers
        self._load = os.getloadavg()[0]
        self.figures: dict[str, Any] = {}
        self.lines: list[str] = []

    def _try(self, name: str, side: Side, measure: Callable[[], Any]) -> Any:
        try:
            found = measure()
        except (Missing, subprocess.CalledProcessError, OSError, TimeoutError) as error:
            console.print(f"{name}: {side.name}: left out: {error}")
            return None
        console.print(f"{name}: {side.name}: {_shown(found)}")
        return found

    def drain(self) -> None:
        """No-op jobs, on each number of slots."""
        for slots in map(int, self._wanted.slots.split(",")):
            rates: dict[str, list[float]] = {}
            costs: dict[str, list[list[float]]] = {}
            for _ in range(self._wanted.rounds):
                for side in sides(self._wanted.peer_python, slots):
                    run = (side, self._servers, slots, self._wanted.jobs)
                    found = self._try(f"drain {slots}", side, partial(parts.drain, *run))
                    if found:
                        rates.setdefault(side.name, []).append(found[0])
                        costs.setdefault(side.name, []).append(found[1])
            self.figures[f"drain {slots}"] = {"jobs/s": rates, "cpu us/job": costs}
            self.lines += bars.of_drain(rates, slots)

    def naps(self) -> None:
        """Jobs of 100 ms on 100 slots."""
        count = 1_000 if self._wanted.quick else 5_000
        ideal = count * 0.1 / 100
        found: dict[str, float] = {}
        for side in sides(self._wanted.peer_python, 100):
            if side.name == "Celery solo":
                continue  # one job at a time: it would take as many times as long
            run = (side, self._servers, 100, count, 0.1)
            seconds = self._try("naps", side, partial(parts.naps, *run))
            if seconds:
                found[side.name] = seconds
        self.figures["naps"] = {"ideal s": ideal, "s": found}
        ours = found.get(bars.OURS)
        if ours:
            figure = f"{ours:.2f} s, ideal {ideal:.2f} s"
            name = f"{count:,} jobs of 100 ms on 100 slots, within 5 %"
            self.lines.append(bars.line(name, ours <= 1.05 * ideal, figure))

    def latency(self) -> None:
        """From submission to the result, worker idle."""
        for side in sides(None, 100):
            run = (side, self._servers, 100, 100 if self._wanted.quick else 1_000)
            found = self._try("latency", side, partial(parts.latency, *run))
            self.figures.setdefault("latency ms p50 p95 p99", {})[side.name] = found
        self.lines.append(
            bars.line("latency no worse than Dramatiq's", None, "its side is not measured yet")
        )

    def send(self) -> None:
        """Submission."""
        ours = parts.sending(self._servers, self._wanted.jobs)
        console.print(f"send: Warrener: {_shown(list(ours.values()))}")
        theirs: dict[str, float] = {}
        for side in sides(self._wanted.peer_python, 100)[2:]:
            run = (side, self._servers, self._wanted.jobs)
            rate = self._try("send", side, partial(parts.peer_sending, *run))
            if rate:
                theirs[side.name] = rate
        self.figures["send jobs/s"] = {"Warrener": ours, **theirs}
        if theirs:
            best = max(theirs.values())
            for name, bar in (("200 in flight", 2), ("send_many", 4)):
                times = ours[name] / best
                figure = f"{ours[name]:,.0f}/s, {times:.1f} × the fastest peer"
                self.lines.append(bars.line(f"{name}, ≥ {bar} ×", times >= bar, figure))

    def delayed(self) -> None:
        """Lateness of delayed jobs."""
        [side, *_] = sides(None, 100)
        figures = self.figures["delayed ms p50 p95 p99"] = {}
        for waiting in (0, 10_000 if self._wanted.quick else 100_000):
            beside = f"beside {waiting:,} others" if waiting else "alone"
            run = (side, self._servers, 100, 200, waiting)
            found = self._try(f"delayed {beside}", side, partial(parts.lateness, *run))
            if found:
                figures[beside] = found
                name, figure = f"200 random delays {beside}, p95 ≤ 50 ms late", f"{found[1]:.0f} ms"
                self.lines.append(bars.line(name, found[1] <= 50, figure))

    def idle(self) -> None:
        """A worker that has nothing to do."""
        seconds = 5.0 if self._wanted.quick else 30.0
        found: dict[str, list[float]] = {}
        for side in sides(self._wanted.peer_python, 100):
            run = (side, self._servers, 100, seconds)
            figures = self._try("idle", side, partial(parts.idle, *run))
            if figures:
                found[side.name] = list(figures)
        self.figures["idle %, MiB"] = found
        if ours := found.get(bars.OURS):
            figure = f"{ours[0]:.1f} % of a core, {ours[1]:.0f} MiB"
            self.lines.append(bars.line("an idle worker, ≤ 1 %", ours[0] <= 1, figure))

    def write(self, folder: Path) -> None:
        """The figures as JSON and as a page, with plots where the peers' Python can draw them."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "load before": round(self._load, 1),
            "jobs": self._wanted.jobs,
            "rounds": self._wanted.rounds,
        }
        self.lines += bars.not_measured()
        everything = {"about": about, "figures": self.figures, "bars": self.lines}
        (folder / "latest.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False))
        subprocess.run([sys.executable, "-m", "bench.page", str(folder)], check=True)
        if self._wanted.peer_python:
            plots = Path(__file__).parent / "peers" / "plots.py"
            subprocess.run([self._wanted.peer_python, str(plots), str(folder)], check=False)


def _shown(found: Any) -> str:
    if isinstance(found, float):
        return f"{found:,.2f}"
    return ", ".join(map(_shown, found)) if isinstance(found, tuple | list) else str(found)


def main() -> None:
    """Run the parts that were asked for, and say which bars are met."""
    wanted = arguments()
    with (
        tempfile.TemporaryDirectory(prefix="warrener-bench-") as folder,
        private_rabbitmq(Path(folder) / "rabbitmq") as broker,
        private_redis(Path(folder) / "redis") as store,
    ):
        bench = Bench(wanted, Servers(broker.amqp_url, store.url))
        for part in wanted.only.split(","):
            getattr(bench, part)()
        bench.write(wanted.out)
    if statistics.fmean(os.getloadavg()) > 2 * (os.cpu_count() or 1):
        console.print("The machine was busy with other work: these figures are not to be quoted.")
    for line in bench.lines:
        console.print(line)


if __name__ == "__main__":
    main()
