"""The ledger: every execution writes its start and its end, and Warrener never touches it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


def write(folder: Path, event: str, job_id: str, generation: int, attempt: int, who: str) -> None:
    """Append a line, in one write, so that those of several processes do not mix."""
    line = json.dumps([event, job_id, generation, attempt, who, time.monotonic(), time.time()])
    ledger = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(ledger, f"{line}\n".encode())
    finally:
        os.close(ledger)


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one job. `began` and `ended` are seconds of the machine's monotonic clock, `began_at`
    Unix seconds."""

    job_id: str
    generation: int
    attempt: int
    who: str
    began: float
    began_at: float
    ended: float
    died: bool
    """True if it ended with its process, whose death is seen a little later than it happens."""


def read(lines: Iterable[str], deaths: Mapping[str, float]) -> list[Execution]:
    """The executions that the ledger tells of. `deaths`: when each process was seen to have ended."""
    begun: dict[tuple[str, int, int, str], tuple[float, float]] = {}
    found = []
    for line in lines:
        event, job_id, generation, attempt, who, monotonic, unix = json.loads(line)
        key = (job_id, generation, attempt, who)
        if event == "start":
            # A process may run the same attempt twice: handed back by a lost connection, say.
            if key in begun:
                found.append(_cut_off(key, begun.pop(key), deaths))
            begun[key] = (monotonic, unix)
        elif key in begun:
            began, began_at = begun.pop(key)
            found.append(Execution(*key, began, began_at, monotonic, died=False))
    return found + [_cut_off(key, times, deaths) for key, times in begun.items()]


def _cut_off(
    key: tuple[str, int, int, str], times: tuple[float, float], deaths: Mapping[str, float]
) -> Execution:
    return Execution(*key, *times, deaths.get(key[3], float("inf")), died=True)
