"""How fast workers drain a queue that is full when they start, and what it costs them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import psutil

from .sides import Servers, Side, submit, working
from .watching import TAIL, Missing, Results

Drained = tuple[float, list[float]]
"""Jobs per second, and CPU microseconds a job of the worker and of its children."""


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


def drain(side: Side, servers: Servers, slots: int, jobs: int, workers: int = 1) -> Drained:
    """Jobs per second with no-op jobs, from the first result to the last, those that came with the first
    left out; and the CPU microseconds a job of the first worker. Submitted before the workers start. Raises
    Missing."""
    results = Results(servers)
    results.forget()
    keys = submit(side, servers, slots, jobs, 0)
    with ExitStack() as stack:
        crew = [stack.enter_context(working(side, servers, slots)) for _ in range(workers)]
        until_first(results, side, keys, crew[0])
        costs = Costs(crew[0].pid)
        first = time.monotonic()
        head = keys[:TAIL]
        count = max(1, len(keys) - len(head) + len(results.unfinished(side, head)))
        last = results.until_all(side, keys)
        return count / (last - first), costs.microseconds(count)


def until_first(
    results: Results, side: Side, keys: Sequence[str], worker: subprocess.Popen[bytes]
) -> None:
    """Wait for the first result. Raises Missing if its worker ends."""
    while not results.done(side, keys[0]):
        if worker.poll() is not None:
            raise Missing(f"{side.name}: its worker has ended")
        time.sleep(0.002)


def rates_of(rounds: Mapping[str, Sequence[Drained | None]]) -> dict[str, list[float | None]]:
    """The rates alone."""
    return {name: [one[0] if one else None for one in each] for name, each in rounds.items()}
