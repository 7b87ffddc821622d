"""Revocations: runs that somebody has asked to end are found by their records, which outlive every message
about them. A control message only makes it soon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from warrener.errors import StoreUnavailable

from .context import Context

log = logging.getLogger(__name__)


class Revocations:
    """Looks for requests to end what runs here. `revoke` is told of a run, and whether it is terminated;
    of the same run again for as long as it runs."""

    def __init__(self, context: Context, revoke: Callable[..., None]) -> None:
        self._context = context
        self._revoke = revoke

    async def watch(self) -> None:
        """Look on every beat, without end."""
        while True:
            await asyncio.sleep(self._context.settings.beat)
            await self.look(self._context.active)

    async def look(self, job_ids: Collection[str]) -> None:
        """Look for requests for these jobs, those of them that run here."""
        active = self._context.active
        runs = {job_id: active[job_id] for job_id in job_ids if job_id in active}
        if not runs:
            return
        try:
            found = await self._context.store.revocations(
                {job_id: run.token for job_id, run in runs.items()}
            )
        except StoreUnavailable as error:
            log.debug("requests to revoke are not read: %s", error)
            return
        for job_id, how in found.items():
            if active.get(job_id) is runs[job_id]:
                self._revoke(runs[job_id], terminate=how == "terminate")
