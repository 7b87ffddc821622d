"""Unit tests: no servers, no sleeps, no settings from the environment of whoever runs them."""

import os
import time
from collections.abc import AsyncIterator

import fakeredis
import hypothesis
import pytest

from warrener import Settings
from warrener.store import Store

# The same examples on every run; HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


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
