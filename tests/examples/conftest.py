"""The demo site on a free port of the loopback address."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from threading import Thread

import httpx
import pytest

from examples.scan.fetch import fetch
from examples.scan.models import Page
from examples.scan.site import Shop, Site


@pytest.fixture
def site() -> Iterator[Site]:
    """The shop without its slowness, served from a thread."""
    with Site(Shop(slow_seconds=0.0)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
async def get(site: Site) -> AsyncIterator[Callable[[str], Awaitable[Page]]]:
    """Fetch a path of the site."""
    async with httpx.AsyncClient() as client:
        yield lambda path: fetch(client, str(httpx.URL(site.url).join(path)), limit=1_000_000)
