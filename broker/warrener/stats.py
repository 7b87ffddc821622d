"""What was done, minute by minute: counts that workers add on their beat, for a page to draw. They are no
record: what a killed worker had not added yet is missing, and minutes are forgotten after a day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .settings import Settings
from .store import Store

MINUTE = 60
KEPT = 25 * 3600
"""Seconds."""
_BETWEEN = "\x1f"
_STEPS = 4
"""Buckets of the run times for each doubling: their bounds are 19 % apart."""


class End(NamedTuple):
    """How runs of a task on a queue ended: succeeded, retried, failed or revoked."""

    task: str
    queue: str
    outcome: str


@dataclass(slots=True)
class Counts:
    """What was counted in some time."""

    ends: dict[End, int] = field(default_factory=dict)
    runs: dict[tuple[str, int], int] = field(default_factory=dict)
    """How many runs on a queue took how long, by bucket."""
    depths: dict[str, int] = field(default_factory=dict)
    """Messages that were ready in a queue, when somebody last looked."""

    def ended(self, end: End, seconds: float) -> None:
        """Count a run."""
        self.ends[end] = self.ends.get(end, 0) + 1
        slot = (end.queue, bucket_of(seconds))
        self.runs[slot] = self.runs.get(slot, 0) + 1

    def total(self, *outcomes: str) -> int:
        """How many runs ended in one of these ways."""
        return sum(count for end, count in self.ends.items() if end.outcome in outcomes)

    def run_time(self, quantile: float) -> float | None:
        """Seconds within which this share of the runs ended, to the next bound of a bucket; None
        without runs."""
        by_bucket: dict[int, int] = {}
        for (_, bucket), count in self.runs.items():
            by_bucket[bucket] = by_bucket.get(bucket, 0) + count
        wanted = quantile * sum(by_bucket.values())
        seen = 0
        for bucket in sorted(by_bucket):
            seen += by_bucket[bucket]
            if seen >= wanted:
                return bound_of(bucket)
        return None


def bucket_of(seconds: float) -> int:
    """The bucket of a run time: the first whose bound is no less. Below a millisecond all are one."""
    return math.ceil(_STEPS * math.log2(max(1.0, seconds * 1000)))


def bound_of(bucket: int) -> float:
    """The bound of a bucket, in seconds."""
    return float(2 ** (bucket / _STEPS)) / 1000


class Stats:
    """Adds to and reads the counts. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._prefix = f"{settings.namespace}:stats"

    def _key(self, minute: int) -> str:
        return f"{self._prefix}:{minute}"

    async def add(self, now: float, counts: Counts) -> None:
        """Add these to the minute of `now`."""
        key = self._key(int(now) // MINUTE)
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            for end, count in counts.ends.items():
                name = _BETWEEN.join(("end", end.task, end.queue, end.outcome))
                pipeline.hincrby(key, name, count)
            for (queue, bucket), count in counts.runs.items():
                pipeline.hincrby(key, _BETWEEN.join(("run", queue, str(bucket))), count)
            for queue, ready in counts.depths.items():
                pipeline.hset(key, _BETWEEN.join(("depth", queue)), str(ready))
            pipeline.expire(key, KEPT)
            await pipeline.execute()

    async def minutes(self, until: float, number: int) -> list[Counts]:
        """So many minutes up to that of `until`, the oldest first."""
        last = int(until) // MINUTE
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            for minute in range(last - number + 1, last + 1):
                pipeline.hgetall(self._key(minute))
            found = await pipeline.execute()
        return [_read(fields) for fields in found]


def together(many: Iterable[Counts]) -> Counts:
    """The sum; of depths, the last that were seen."""
    whole = Counts()
    for counts in many:
        for end, count in counts.ends.items():
            whole.ends[end] = whole.ends.get(end, 0) + count
        for slot, count in counts.runs.items():
            whole.runs[slot] = whole.runs.get(slot, 0) + count
        whole.depths.update(counts.depths)
    return whole


def _read(fields: Mapping[bytes, bytes]) -> Counts:
    counts = Counts()
    for name, value in fields.items():
        match name.decode().split(_BETWEEN):
            case ["end", task, queue, outcome]:
                counts.ends[End(task, queue, outcome)] = int(value)
            case ["run", queue, bucket]:
                counts.runs[queue, int(bucket)] = int(value)
            case ["depth", queue]:
                counts.depths[queue] = int(value)
            case _:  # another version's
                pass
    return counts
