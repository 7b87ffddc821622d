"""The ticks of three beats: which there should have been, and whether each is one job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from warrener import JobStatus
from warrener.client import Client
from warrener.schedules import ScheduleBook, tick_id

PULSE, TASK = "pulse", "chaos.tasks.pulse"


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ids of the jobs of all ticks between the first and the last, of each second."""

    ids: frozenset[str]

    def strangers(self, records: Mapping[str, JobStatus | None]) -> list[str]:
        """Jobs that are no tick's, and so a second one for some tick."""
        return [
            f"{job_id}: a pulse that is no tick"
            for job_id, record in sorted(records.items())
            if record is not None and record.task == TASK and job_id not in self.ids
        ]


class Pulses:
    """Asks the store how far the beats have come."""

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client

    async def _fired(self) -> int:
        client = self._client()
        return (await ScheduleBook(client.settings, client.store).find(PULSE)).fired or 0

    async def up_to_date(self) -> bool:
        """True once the tick of the last seconds is submitted."""
        return await self._fired() >= time.time() - 3

    async def ticks(self, since: float) -> Ticks:
        """All ticks: from the first that has a record, which comes before any fault, to the last."""
        last, client = await self._fired(), self._client()
        namespace = client.settings.namespace
        ids = [tick_id(namespace, PULSE, due) for due in range(int(since), last + 1)]
        records = await client.store.statuses(ids)
        first = next((n for n, record in enumerate(records) if record is not None), len(ids))
        return Ticks(frozenset(ids[first:]))
