"""Unit tests: no servers, no sleeps, no settings from the environment of whoever runs them."""

import os
import time
from collections.abc import AsyncIterator

import fakeredis
import pytest

from warrener import Settings
from warrener.store import Store


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the test alone."""
    for name in list(os.environ):
        if name.startswith("WARRENER_"):
            monkeypatch.delenv(name)


SERVER = fakeredis.FakeServer()  # one for all: it remembers the scripts


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store on an empty Redis in this process."""
    store = Store(Settings(), fakeredis.FakeAsyncRedis(server=SERVER), time.time)
    await store.client.flushall()
    yield store
    await store.close()
