"""The scanner's application: what it is made of, and what its jobs share."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from examples.scan.fetch import USER_AGENT, fetch
from examples.scan.models import Page
from warrener import Warrener

BODY_LIMIT = 2_000_000


@dataclass(frozen=True, slots=True)
class Resources:
    """What the jobs of one child process share; `body_limit` in bytes."""

    client: httpx.AsyncClient
    reports: Path
    body_limit: int = BODY_LIMIT

    async def get(self, url: str, *, follow: bool = False) -> Page:
        """Fetch one page within the limits; raises what `fetch` raises."""
        return await fetch(self.client, url, limit=self.body_limit, follow=follow)


@asynccontextmanager
async def resources() -> AsyncIterator[Resources]:
    """Open what the jobs share: runs once in each child process, around all of its jobs."""
    # Plain bodies, please: a small compressed answer could unpack far beyond the limit.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(10.0, connect=5.0)
    connections = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(headers=headers, timeout=timeout, limits=connections) as client:
        yield Resources(client, Path(os.environ.get("WARRENER_SCAN_REPORTS", "reports")))


app = Warrener(include=["examples.scan.tasks"], lifespan=resources)
