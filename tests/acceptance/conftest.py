"""Places for the acceptance tests, one a module: empty, or with a worker and an API process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from tests.support import PATIENCE
from warrener_workers.nodes import RabbitNode, RedisNode
from warrener_workers.nodes.ports import free_ports

from . import shop
from .commands import COMMANDS
from .place import APP, Place, answers, new_place


@pytest.fixture(scope="package", autouse=True)
def commands() -> Iterator[None]:
    """Ends what the commands are forked from."""
    yield
    COMMANDS.close()


@pytest.fixture(scope="module")
def place(
    rabbit: RabbitNode, redis_node: RedisNode, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """A place of the module's own, with everything declared that the app needs. A module's `SETTINGS`
    are further settings there."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    extra = getattr(request.module, "SETTINGS", {})
    with new_place(rabbit, redis_node, name, **extra) as place:
        done = place.run("topology", "declare", "--app", APP)
        assert done.returncode == 0, done.stderr
        yield place


@pytest.fixture(scope="module")
def staffed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The module's place, with the worker `shop-1` on every queue but one."""
    log = tmp_path_factory.mktemp("acceptance") / "worker.log"
    command = ("worker", *shop.WORKED, "--app", APP, "--name", "shop-1")
    with place.background(log, lambda: " ready: " in log.read_text(), *command):
        yield place


@pytest.fixture(scope="module")
def api(staffed: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `warrener api` process on the module's place."""
    address = f"http://127.0.0.1:{(port := free_ports(1)[0])}"
    log = tmp_path_factory.mktemp("api") / "api.log"
    command = ("api", "--app", APP, "--port", str(port))
    with staffed.background(log, lambda: answers(f"{address}/healthz"), *command):
        yield address


@pytest_asyncio.fixture
async def http(api: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the `warrener api` process."""
    async with httpx.AsyncClient(base_url=api, timeout=PATIENCE) as client:
        yield client
