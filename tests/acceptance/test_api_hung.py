"""The API while RabbitMQ or Redis hangs, or Redis refuses to write: a 503 before a proxy gives up."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
import redis

from tests.support import PATIENCE
from warrener_workers.nodes import RabbitNode, RedisNode
from warrener_workers.nodes.ports import free_ports

from .place import Place
from .shop import FAST

SECONDS = 1.5
SETTINGS = {"request_timeout": SECONDS, "connect_timeout": 900.0, "publish_timeout": 900.0}
"""Nothing but the deadline of requests can end a call here."""

POST = ("POST", "/jobs", {"task": "shop.wait_in_line", "kwargs": {"number": 1}})
REPLAY = ("POST", f"/dead-letters/{FAST}/replay", {"all": True})
READY = ("GET", "/readyz", None)
Call = tuple[str, str, Any]


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """A server that takes connections and answers nothing."""
    os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(pid, signal.SIGCONT)


@pytest_asyncio.fixture
async def http(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    """The API, with its connections open."""
    async with place.http() as http:
        await _ready(http)
        yield http
        await _ready(http)


async def _ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await http.get("/readyz")).status_code != 200:
            pass


async def _unavailable(http: httpx.AsyncClient, call: Call) -> dict[str, Any]:
    method, path, json = call
    response = await http.request(method, path, json=json)
    assert response.status_code == 503, (call, response.text)
    assert int(response.headers["retry-after"]) > 0
    problem: dict[str, Any] = response.json()
    return problem


async def _all_in_time(http: httpx.AsyncClient, calls: Sequence[Call]) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE):
        problems = await asyncio.gather(*(_unavailable(http, call) for call in calls))
    for problem in problems:
        assert problem["type"] == "urn:warrener:unavailable"
        assert f"RabbitMQ or Redis did not answer within {SECONDS:g} s." in problem["detail"]
    return problems


async def test_a_redis_that_hangs_is_away_within_the_deadline(
    http: httpx.AsyncClient, redis_node: RedisNode
) -> None:
    reads = ("/jobs/some-id", "/jobs/some-id?wait=60", f"/dead-letters/{FAST}", "/readyz")
    with _stopped(redis_node.pid):
        problems = await _all_in_time(
            http, [POST, REPLAY, *(("GET", path, None) for path in reads)]
        )
        assert (await http.get("/healthz")).status_code == 200
    assert not any(problem["may_arrive"] for problem in problems)


async def test_a_rabbitmq_that_hangs_is_away_within_the_deadline(
    http: httpx.AsyncClient, rabbit: RabbitNode
) -> None:
    with _stopped(rabbit.pid):
        post, *_ = await _all_in_time(http, [POST, REPLAY, ("GET", "/queues", None), READY])
        assert (await http.get("/healthz")).status_code == 200
    assert post["may_arrive"] is True
    assert "with the same Idempotency-Key, sending it again is safe" in post["detail"]


@contextmanager
def _full(server: redis.Redis) -> Iterator[None]:
    server.config_set("maxmemory", "1")
    try:
        yield
    finally:
        server.config_set("maxmemory", "0")


@contextmanager
def _replica(server: redis.Redis) -> Iterator[None]:
    server.replicaof("127.0.0.1", free_ports(1)[0])
    try:
        yield
    finally:
        server.replicaof("NO", "ONE")


@pytest.mark.parametrize("state", [_full, _replica])
async def test_a_redis_that_refuses_to_write_is_not_ready(
    http: httpx.AsyncClient, place: Place, redis_node: RedisNode, state: Any
) -> None:
    before = await place.messages()
    with redis.Redis(port=redis_node.port) as server, state(server):
        assert server.ping()
        for call in (READY, POST, REPLAY):
            problem = await _unavailable(http, call)
            assert problem["type"] == "urn:warrener:store-unavailable"
        assert (await http.get("/jobs/some-id")).status_code == 404
    assert await place.messages() == before


async def test_what_shows_that_redis_takes_writes_does_not_stay(
    http: httpx.AsyncClient, place: Place, redis_node: RedisNode
) -> None:
    assert (await http.get("/readyz")).status_code == 200
    with redis.Redis(port=redis_node.port) as server:
        assert 0 < int(server.ttl(f"{place.namespace}:writable")) <= 60


async def test_a_body_that_stops_half_way_is_given_up(http: httpx.AsyncClient) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'{"task": '
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/json", "Content-Length": "100"}
    async with asyncio.timeout(PATIENCE):
        response = await http.post("/jobs", content=half(), headers=headers)
    assert (response.status_code, response.json()["type"]) == (408, "urn:warrener:request-timeout")
    assert f"Nothing more of the body came for {SECONDS:g} s" in response.json()["detail"]


async def test_a_body_that_is_announced_as_too_long_is_not_read(http: httpx.AsyncClient) -> None:
    async def unread() -> AsyncIterator[bytes]:
        yield b"{"
        raise AssertionError("read on")

    headers = {"Content-Type": "application/json", "Content-Length": "99999999999"}
    response = await http.post("/jobs", content=unread(), headers=headers)
    assert (response.status_code, response.json()["type"]) == (
        413,
        "urn:warrener:payload-too-large",
    )
