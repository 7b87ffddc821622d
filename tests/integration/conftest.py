"""What the integration tests stand in: a yard with an app, a ledger, workers and raw messages."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aio_pika
import psutil
import pytest_asyncio
from aiormq import spec
from pydantic import SecretStr

from chaos.proxy import Proxy
from tests.support import PATIENCE, Running, running, running_worker
from warrener import JobHandle, JobStatus
from warrener.client import Client
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex
from warrener.settings import Settings
from warrener_workers.nodes import RabbitNode

from . import yard as tasks

T = TypeVar("T")

QUEUE = "yard"
APP = "tests.integration.yard:app"


class Yard:
    """One test's virtual host, database, folder and app."""

    def __init__(self, rabbit: RabbitNode, amqp_url: str, redis_url: str, folder: Path) -> None:
        self.rabbit = rabbit
        self.amqp_url = amqp_url
        self.vhost = amqp_url.rsplit("/", 1)[-1] or "%2f"
        self.redis_url = redis_url
        self.folder = folder
        self.app = tasks.app
        self.app.settings = Settings(
            amqp_url=SecretStr(amqp_url), redis_url=SecretStr(redis_url), default_queue=QUEUE
        )

    # Workers -------------------------------------------------------------------------------------

    def worker(
        self,
        *options: str,
        queues: Sequence[str] = (QUEUE,),
        before: Sequence[str] = (),
        **environment: str,
    ) -> AbstractAsyncContextManager[Running]:
        """A worker that is ready, with quick beats and a short grace."""
        return running_worker(
            APP,
            queues,
            self.amqp_url,
            self.redis_url,
            *options,
            before=before,
            **{**self.environment, **environment},
        )

    def running(self, *arguments: str, **environment: str) -> AbstractAsyncContextManager[Running]:
        """`warrener …` in the yard."""
        return running(*arguments, **{**self.environment, **environment})

    @property
    def environment(self) -> dict[str, str]:
        """What the yard's processes are started with."""
        return {
            "YARD": str(self.folder),
            "WARRENER_AMQP_URL": self.amqp_url,
            "WARRENER_REDIS_URL": self.redis_url,
            "WARRENER_BEAT": "0.6",
            "WARRENER_GRACE": "10",
        }

    # The ledger and the gates --------------------------------------------------------------------

    def events(self, name: str = "") -> list[str]:
        """What the ledger has, as "event name", of one name or all."""
        ledger = self.folder / "ledger"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        found = [line.split()[:2] for line in lines]
        return [f"{event} {who}" for event, who in found if name in ("", who)]

    def pids(self, event: str) -> list[int]:
        """The processes that noted this "event name", in order."""
        ledger = self.folder / "ledger"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return [int(line.split()[2]) for line in lines if line.startswith(event + " ")]

    async def noted(self, event: str, times: int = 1) -> None:
        """Wait until the ledger has this "event name", so many times."""
        await until(lambda: self.events().count(event) >= times, f"{times} × {event!r}")

    def open(self, gate: str) -> None:
        """Open a gate."""
        (self.folder / gate).touch()

    # Records and letters -------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The app's own client."""
        backend = self.app.backend()
        assert isinstance(backend, Client)
        return backend

    async def ended(self, *jobs: JobHandle[Any] | str) -> list[JobStatus]:
        """The records of these jobs, once all have ended."""
        ids = [job if isinstance(job, str) else job.id for job in jobs]
        await until_true(lambda: self._known(ids), f"records of {ids}")
        found = await asyncio.gather(*(self.client.wait(job_id, PATIENCE) for job_id in ids))
        statuses = [status for status in found if status is not None]
        open_ones = [status for status in statuses if not status.is_terminal]
        assert not open_ones, open_ones
        return statuses

    async def _known(self, ids: list[str]) -> bool:
        return None not in await self.client.store.statuses(ids)

    async def status(self, job: JobHandle[Any] | str) -> JobStatus:
        """One record as it stands."""
        status = await self.client.status(job if isinstance(job, str) else job.id)
        assert status is not None
        return status

    async def letters(self, count: int, queue: str = QUEUE) -> list[DeadLetter]:
        """The dead letters of a queue, oldest first, once there are so many."""
        index = DeadLetterIndex(self.app.settings, self.client.store)

        async def enough() -> bool:
            return await index.count(queue) >= count

        await until_true(enough, f"{count} dead letter(s)")
        found = (await index.page(queue))[::-1]
        assert len(found) == count, found
        return found

    # Raw messages --------------------------------------------------------------------------------

    async def publish(self, body: bytes, queue: str = QUEUE, **properties: Any) -> None:
        """A message as any AMQP client may send it, straight into a work queue; aio-pika gives it a
        message_id if it has none."""
        async with await aio_pika.connect(self.amqp_url) as connection:
            channel = await connection.channel(on_return_raises=True)
            message = aio_pika.Message(body, **properties)
            await channel.default_exchange.publish(message, queue)

    async def publish_raw(self, body: bytes, **properties: bytes | int) -> None:
        """A message with properties as they stand, however wrong."""
        async with await aio_pika.connect(self.amqp_url) as connection:
            channel = await (await connection.channel()).get_underlay_channel()
            given: dict[str, Any] = {
                name: _Bytes(value) if isinstance(value, bytes) else value
                for name, value in properties.items()
            }
            await channel.basic_publish(
                body, routing_key=QUEUE, properties=spec.Basic.Properties(**given)
            )

    def publish_without_id(self, text: str, task: str) -> None:
        """A message that names neither job nor message, which only other clients can send."""
        message = {
            "routing_key": QUEUE,
            "payload": text,
            "payload_encoding": "string",
            "properties": {"type": task},
        }
        self.rabbit.manage("POST", f"/api/exchanges/{self.vhost}/amq.default/publish", message)

    async def waiting(self, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """What is ready in a queue; it is given back."""
        found = []
        async with await aio_pika.connect(self.amqp_url) as connection:
            channel = await connection.channel()
            source = await channel.get_queue(queue)
            while (message := await source.get(fail=False, timeout=PATIENCE)) is not None:
                found.append(message)
        return found

    async def ready(self, count: int, queue: str = QUEUE) -> None:
        """Wait until so many messages are ready in a queue. What a connection held is given back after its
        end, by and by: a worker may be gone before."""

        async def so_many() -> bool:
            found = await self.client.publisher.depth(queue)
            return found is not None and found.message_count == count

        await until_true(so_many, f"{count} message(s) ready in {queue}")


class _Bytes(str):
    """Text that is written as these bytes."""

    def __new__(cls, raw: bytes) -> _Bytes:
        made = super().__new__(cls, raw.decode("latin-1"))
        made.raw = raw
        return made

    raw: bytes

    def encode(self, *_: Any) -> bytes:
        return self.raw


async def worker_stops(worker: Running) -> int:
    """Its exit code after a SIGTERM."""
    worker.kill(signal.SIGTERM)
    return await worker.ended()


async def until(check: Callable[[], bool], what: str) -> None:
    """Wait until this holds."""

    async def checked() -> bool:
        return check()

    await until_true(checked, what)


async def until_true(check: Callable[[], Awaitable[bool]], what: str) -> None:
    """The same for a question that is asked of a server."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await check():  # noqa: ASYNC110 — nothing announces it
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it did not come to this: {what}") from None


async def proxied(url: str) -> tuple[Proxy, str]:
    """A proxy before a server, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.port is not None
    port = parts.port
    proxy = Proxy(lambda: port)
    user = parts.netloc.rpartition("@")
    netloc = f"{user[0]}{user[1]}127.0.0.1:{await proxy.start()}"
    return proxy, parts._replace(netloc=netloc).geturl()


def version_of(node: RabbitNode) -> tuple[int, ...]:
    """Its major and minor number."""
    said: str = node.manage("GET", "/api/overview")["rabbitmq_version"]
    return tuple(map(int, said.split(".")[:2]))


def children(worker: Running) -> list[psutil.Process]:
    """The processes under a worker."""
    return psutil.Process(worker.process.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    """True if none of these lives; a zombie is dead."""
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest_asyncio.fixture
async def yard(
    rabbit: RabbitNode, amqp_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Yard]:
    """A yard of the test's own."""
    it = Yard(rabbit, amqp_url, redis_url, tmp_path)
    yield it
    await it.app.close()
