"""The harnesses of the contract suite: real parts on either transport, and the double that must behave like
them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from tests.support import background_worker
from warrener import JobHandle, JobStatus, Warrener
from warrener.client import Client
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex
from warrener.replaying import Replayer, ReplayReport
from warrener.selecting import Selection
from warrener.settings import Settings
from warrener_workers.nodes import RabbitNode, RedisNode
from warrener_workers.testing import WarrenerTest

from . import shop


class Harness(Protocol):
    """What a contract test may ask for."""

    app: Warrener

    async def ended(self, handles: Sequence[JobHandle[Any]]) -> list[JobStatus]:
        """The records of these jobs, once all have ended."""

    async def dead(self, queue: str) -> list[DeadLetter]:
        """The dead letters of a queue."""

    async def replay(self, queue: str, selection: Selection, **how: Any) -> ReplayReport:
        """Replay dead letters, with `limit` or `dry_run` if wanted."""


class Real:
    """RabbitMQ, Redis and a worker with a child process."""

    def __init__(self, app: Warrener) -> None:
        self.app = app

    async def ended(self, handles: Sequence[JobHandle[Any]]) -> list[JobStatus]:
        client = self.client
        waits = [client.wait(handle.id, 30) for handle in handles]
        statuses = [status for status in await asyncio.gather(*waits) if status is not None]
        assert all(status.is_terminal for status in statuses), statuses
        return statuses

    @property
    def client(self) -> Client:
        backend = self.app.backend()
        assert isinstance(backend, Client)
        return backend

    async def dead(self, queue: str) -> list[DeadLetter]:
        return await DeadLetterIndex(self.app.settings, self.client.store).page(queue)

    async def replay(self, queue: str, selection: Selection, **how: Any) -> ReplayReport:
        return await Replayer(self.client).replay(queue, selection, **how)


class Double:
    """The in-memory test double."""

    def __init__(self, test: WarrenerTest) -> None:
        self._test = test
        self.app = test.app

    async def ended(self, handles: Sequence[JobHandle[Any]]) -> list[JobStatus]:
        await self._test.drain()
        return [await handle.status() for handle in handles]

    async def dead(self, queue: str) -> list[DeadLetter]:
        return await self._test.dead(queue)

    async def replay(self, queue: str, selection: Selection, **how: Any) -> ReplayReport:
        return await self._test.replay(queue, selection, **how)


@contextmanager
def one_worker(
    rabbit: RabbitNode, redis_node: RedisNode, place: str, log: Path, transport: str
) -> Iterator[Settings]:
    """One worker for the whole suite, on a virtual host and a namespace of its own."""
    rabbit.manage("PUT", f"/api/vhosts/{place}")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    rabbit.manage("PUT", f"/api/permissions/{place}/guest", everything)
    settings = Settings(amqp_url=rabbit.amqp_url + place, redis_url=redis_node.url, namespace=place)
    with background_worker(
        "tests.contract.shop:app", shop.app.queues, settings, log, WARRENER_TRANSPORT=transport
    ):
        yield settings


@pytest.fixture(scope="session")
def contract_worker(
    rabbit: RabbitNode, redis_node: RedisNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A worker that reads its deliveries as aio-pika does."""
    log = tmp_path_factory.mktemp("contract") / "worker.log"
    with one_worker(rabbit, redis_node, "contract", log, "plain") as settings:
        yield settings


@pytest.fixture(scope="session")
def fast_contract_worker(
    rabbit: RabbitNode, redis_node: RedisNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A worker on the fast transport."""
    log = tmp_path_factory.mktemp("contract-fast") / "worker.log"
    with one_worker(rabbit, redis_node, "contract-fast", log, "fast") as settings:
        yield settings


@pytest_asyncio.fixture(params=["real", "fast", "double"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """Each contract test runs on all."""
    if request.param != "double":
        worker = "contract_worker" if request.param == "real" else "fast_contract_worker"
        shop.app.settings = request.getfixturevalue(worker)
        yield Real(shop.app)
        await shop.app.close()
    else:
        shop.app.settings = Settings()
        async with WarrenerTest(shop.app).installed() as test:
            yield Double(test)
