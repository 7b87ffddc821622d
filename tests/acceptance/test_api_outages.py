"""The API while RabbitMQ or Redis is away: 503 with Retry-After in time, and nothing half-done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from warrener import Warrener, topology
from warrener.messages import Message, encode
from warrener_api import create_app

from .place import Place, http_of
from .provocations import JOB, no_rabbitmq, no_redis
from .shop import FAST

DEADLINE = 25
KEY = {"Idempotency-Key": "order-7"}
READS = {"rabbitmq": ["/queues", "/readyz"], "redis": ["/jobs/some-id", "/jobs/some-id?wait=1"]}
READS["redis"] += [f"/dead-letters/{FAST}", "/readyz"]


@asynccontextmanager
async def _http(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    """The API of an app of its own with the settings of this place, which others do not share."""
    app = Warrener(settings=place.settings)

    @app.task(name="shop.add", queue=FAST)
    async def add(a: int) -> int:
        return a

    async with app, http_of(create_app(app)) as http:
        yield http


@asynccontextmanager
async def _silent_port() -> AsyncIterator[int]:
    """A port that accepts connections and never answers."""
    ends: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: ends.append(writer), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in ends:
            writer.close()


async def _is_unavailable(request: Awaitable[httpx.Response], kinds: set[str]) -> None:
    async with asyncio.timeout(DEADLINE):
        response = await request
    problem = response.json()
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert problem["type"].removeprefix("urn:warrener:") in kinds
    assert problem["status"] == 503
    assert problem["detail"]


async def _all_unavailable(http: httpx.AsyncClient, reads: list[str], kinds: set[str]) -> None:
    async with asyncio.TaskGroup() as group:
        requests = [http.post("/jobs", json=JOB), http.post("/jobs", json=JOB, headers=KEY)]
        requests += [http.post("/jobs", json={**JOB, "countdown": 60})]
        requests += [http.post(f"/dead-letters/{FAST}/replay", json={"all": True})]
        requests += [http.get(path) for path in reads]
        for request in requests:
            group.create_task(_is_unavailable(request, kinds))
        alive = await http.get("/healthz")
    assert alive.status_code == 200


@pytest_asyncio.fixture
async def one_dead_letter(place: Place) -> AsyncIterator[None]:
    """One letter in a dead queue for the test; everything else stays empty."""
    dead = topology.Names(place.namespace).dead_queue(FAST)
    letter = encode(Message("dead-job", "shop.add", b'{"kwargs":{"a":1}}'))
    async with place.client() as client, client.publisher.own_channel() as channel:
        await channel.basic_publish(b'{"kwargs":{"a":1}}', routing_key=dead, properties=letter)
    yield
    assert await place.messages() == {dead: 1}
    async with place.client() as client:
        async with client.publisher.own_channel() as channel:
            await channel.queue_purge(dead)
        assert await client.status("dead-job") is None
        # An idempotency key is reserved before the publish: that record waits for the confirm, is
        # shown to nobody, and expires.
        for key in await place.records():
            assert await client.status(key.partition("{")[2].removesuffix("}")) is None


@pytest.mark.usefixtures("one_dead_letter")
async def test_without_rabbitmq_the_answer_is_503_and_no_job_is_on_record(place: Place) -> None:
    async with _http(no_rabbitmq(place)) as http:
        await _all_unavailable(http, READS["rabbitmq"], {"broker-unavailable"})
        assert (await http.get("/jobs/some-id")).status_code == 404


@pytest.mark.usefixtures("one_dead_letter")
async def test_without_redis_the_answer_is_503_and_no_message_is_sent(place: Place) -> None:
    async with _http(no_redis(place)) as http:
        await _all_unavailable(http, READS["redis"], {"store-unavailable"})


@pytest.mark.usefixtures("one_dead_letter")
async def test_a_server_that_accepts_and_never_answers_is_away_too(place: Place) -> None:
    async with _silent_port() as port:
        no_broker = replace(place, amqp_url=f"amqp://guest:guest@127.0.0.1:{port}/")
        no_store = replace(place, redis_url=f"redis://127.0.0.1:{port}/0")
        # At once, because each takes as long as the deadlines say.
        async with _http(no_broker) as one, _http(no_store) as two:
            await asyncio.gather(
                _all_unavailable(one, READS["rabbitmq"], {"broker-unavailable", "unavailable"}),
                _all_unavailable(two, READS["redis"], {"store-unavailable", "unavailable"}),
            )
