"""A place of one's own on the session's servers, and the ways to reach Warrener there."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from tests import support
from warrener import Warrener, topology
from warrener.client import Client
from warrener.ids import new_id
from warrener.messages import Message
from warrener.settings import Settings
from warrener.tasks import Signature
from warrener.uniqueness import UniqueJobs
from warrener_api import create_app
from warrener_workers.nodes import RabbitNode, RedisNode

from . import shop
from .commands import COMMANDS, Done

APP = "tests.acceptance.shop:app"
WARRENER = (sys.executable, "-m", "warrener_workers.cli")


@dataclass(frozen=True)
class Place:
    """A virtual host and a namespace; `extra` are further WARRENER_* settings, by lower-case name."""

    amqp_url: str
    redis_url: str
    namespace: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """As an app takes them."""
        facts: dict[str, Any] = {"amqp_url": self.amqp_url, "redis_url": self.redis_url}
        return Settings(**facts, namespace=self.namespace, **self.extra)

    @property
    def environment(self) -> dict[str, str]:
        """As a process takes them."""
        return {
            "WARRENER_AMQP_URL": self.amqp_url,
            "WARRENER_REDIS_URL": self.redis_url,
            "WARRENER_NAMESPACE": self.namespace,
            **{f"WARRENER_{name.upper()}": str(value) for name, value in self.extra.items()},
        }

    @asynccontextmanager
    async def app(self, app: Warrener = shop.app) -> AsyncIterator[Warrener]:
        """An app that connects here."""
        before, app.settings = app.settings, self.settings
        try:
            yield app
        finally:
            await app.close()
            app.settings = before

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """What an app talks to, here, where everything is declared already."""
        client = Client(self.settings.model_copy(update={"declare": False}), ())
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def http(self, app: Warrener = shop.app) -> AsyncIterator[httpx.AsyncClient]:
        """The HTTP API of an app that connects here, in this process, as a server runs it."""
        web = create_app(app)
        async with self.app(app), web.router.lifespan_context(web), http_of(web) as client:
            yield client

    def run(self, *arguments: str, typed: str = "") -> Done:
        """`warrener …` here, to its end, with this on its standard input."""
        return COMMANDS.run(arguments, {**clean_environment(), **self.environment}, typed)

    @contextmanager
    def background(self, log: Path, ready: Callable[[], bool], *arguments: str) -> Iterator[None]:
        """`warrener …` here, once it is ready, until the end; then it must end in order."""
        environment = {**clean_environment(), **self.environment}
        with support.background([*WARRENER, *arguments], environment, log, ready) as process:
            yield
        # uvicorn shuts down in order, and then ends by the signal that asked for it.
        assert process.returncode in (0, -signal.SIGTERM), log.read_text()
        assert "Traceback" not in log.read_text()

    @asynccontextmanager
    async def reserved(self, signature: Signature[Any]) -> AsyncIterator[str]:
        """A unique job that has its key and is not published yet, as one whose submission is under way; the
        key of its record."""
        async with self.app() as app:
            asked = await app.drafter().draft(signature)
        message = Message(new_id(), asked.task, asked.body, created=time.time())
        how = {"refuse": asked.refuse_duplicate}
        async with self.client() as client:
            jobs = UniqueJobs(self.settings, client.store)
            await jobs.take(message, asked.queue, asked.unique or "", asked.unique_for, **how)
            yield (key := client.store.keys.job(message.job_id))
            await client.store.client.delete(key)

    async def messages(self) -> dict[str, int]:
        """How many messages are ready in each queue that holds any: work, dead, delayed, undelivered."""
        stages = [topology.stage(self.settings, queue) for queue in shop.app.queues]
        queues = [q.name for part in (topology.shared(self.settings), *stages) for q in part.queues]
        async with self.client() as client, client.publisher.own_channel() as channel:
            found = [await channel.queue_declare(queue, passive=True) for queue in queues]
        return {ok.queue: ok.message_count for ok in found if ok.queue and ok.message_count}

    async def records(self) -> list[str]:
        """The keys of all job records."""
        async with self.client() as client:
            pattern = f"{self.namespace}:job:*"
            return [key.decode() async for key in client.store.client.scan_iter(pattern)]


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of whoever runs the tests; wide, so that no message
    is broken over lines."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("WARRENER_")}
    return {**plain, "COLUMNS": "400", "TERM": "dumb", "NO_COLOR": "1"}


def answers(url: str) -> bool:
    """True if a GET of it succeeds."""
    with suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


def http_of(app: FastAPI) -> httpx.AsyncClient:
    """A client of a web app in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@contextmanager
def new_place(
    rabbit: RabbitNode, redis_node: RedisNode, name: str, **extra: object
) -> Iterator[Place]:
    """A place of this name, gone afterwards."""
    rabbit.manage("PUT", f"/api/vhosts/{name}")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    rabbit.manage("PUT", f"/api/permissions/{name}/guest", everything)
    try:
        yield Place(rabbit.amqp_url + name, redis_node.url, name, extra)
    finally:
        rabbit.manage("DELETE", f"/api/vhosts/{name}")
