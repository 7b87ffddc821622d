"""What the protocol's page says, held against the code and against real parts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import aio_pika
import pytest
import redis.asyncio
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage, HeadersType
from redis.asyncio.client import PubSub

from tests.support import PATIENCE, running_worker
from warrener import JobNotFound, JobStatus, Settings, State, Warrener, states
from warrener.topology import LONGEST_DELAY, LONGEST_QUEUE_NAME, RUNGS, Names, route, shared, stage
from warrener_workers.nodes import RabbitNode

from .blocks import blocks, sessions, text, write_files

PAGE = "protocol.md"


class Place:
    """A worker on the tutorial's shop, with a bare AMQP client and a bare Redis client beside it."""

    def __init__(self, app: Warrener, connection: AbstractConnection, announced: PubSub) -> None:
        self.app = app
        self.connection = connection
        self._announced = announced
        self._ended: set[str] = set()

    async def publish(
        self,
        body: bytes,
        exchange: str = "warrener.jobs",
        key: str = "default",
        confirms: bool = True,
        **said: Any,
    ) -> None:
        """Publish as any client would."""
        properties: dict[str, Any] = {"type": "shop.greet", **said}
        async with self.connection.channel(publisher_confirms=confirms) as channel:
            target = await channel.get_exchange(exchange)
            await target.publish(aio_pika.Message(body, **properties), routing_key=key)

    async def next_end(self) -> str:
        """The id of the job that ends next."""
        async with asyncio.timeout(PATIENCE):
            while (event := await self._announced.get_message(True, timeout=PATIENCE)) is None:
                pass
        job_id: str = event["channel"].decode().removeprefix("warrener:ended:")
        self._ended.add(job_id)
        return job_id

    async def ended(self, job_id: str) -> JobStatus:
        """The job's record, once it has ended."""
        while job_id not in self._ended:
            await self.next_end()
        return await self.app.job(job_id).status()

    async def dead(self, count: int, of: str = "default") -> list[AbstractIncomingMessage]:
        """So many dead letters, taken out of their queue."""
        letters: list[AbstractIncomingMessage] = []
        async with asyncio.timeout(PATIENCE), self.connection.channel() as channel:
            queue = await channel.get_queue(f"{of}.dead")
            async with queue.iterator(no_ack=True) as arriving:
                async for letter in arriving:
                    letters.append(letter)
                    if len(letters) == count:
                        break
        return letters


@asynccontextmanager
async def place(amqp_url: str, redis_url: str) -> AsyncIterator[Place]:
    worker = running_worker(
        *("shop:app", ["default"], amqp_url, redis_url), WARRENER_UNKNOWN_TASK_GRACE="0.1"
    )
    async with (
        worker,
        Warrener(amqp_url=amqp_url, redis_url=redis_url) as app,
        await aio_pika.connect(amqp_url) as connection,
        redis.asyncio.Redis.from_url(redis_url) as store,
        store.pubsub() as announced,
    ):
        await announced.psubscribe("warrener:ended:*")
        yield Place(app, connection, announced)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tutorial's shop and this page's files in the current folder."""
    write_files("tutorial.md", tmp_path)
    write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)


async def test_a_bare_client_submits_as_the_page_says(
    amqp_url: str, redis_url: str, rabbit: RabbitNode
) -> None:
    async with place(amqp_url, redis_url) as it:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "submit.py", env={**os.environ, "WARRENER_AMQP_URL": amqp_url}
        )
        assert await process.wait() == 0
        status = await it.ended("welcome-ada")
        assert (status.state, status.result) == (State.SUCCESS, "Hello, Ada!")
        assert not status.recovered

        [step] = sessions(text(PAGE))
        vhost = quote(urlsplit(amqp_url).path[1:], safe="")
        words = shlex.split(step.command)
        path = urlsplit(words[-3]).path.replace("%2F", vhost)
        said = await asyncio.to_thread(rabbit.manage, "POST", path, json.loads(words[-1]))
        assert said == json.loads(step.output)
        assert (await it.ended("welcome-grace")).result == "Hello, Grace!"


async def test_a_delay_by_header_and_one_by_the_ladder(amqp_url: str, redis_url: str) -> None:
    body = b'{"args": ["Ada"]}'
    async with place(amqp_url, redis_url) as it:
        exchange, key = example()
        key = key.replace("scan.discovery", "default")
        begin = time.time()
        due = round((begin + 1.3) * 1000)
        headers: HeadersType = {"due": due}
        await it.publish(body, correlation_id="by-header", headers=headers)
        await it.publish(body, exchange, key, correlation_id="by-ladder")
        nowhere = key.replace("default", "nowhere")
        await it.publish(body, exchange, nowhere, correlation_id="to-nowhere")
        by_ladder, by_header = await it.ended("by-ladder"), await it.ended("by-header")
        assert by_ladder.started is not None
        assert by_header.started is not None
        assert by_ladder.started - begin >= 0.8
        assert by_header.started >= due / 1000
        assert (await it.ended("to-nowhere")).state is State.FAILURE
        [letter] = await it.dead(1, "nowhere")
        assert letter.headers["dead_reason"] == "undelivered"


async def test_odd_messages_end_as_the_page_says(amqp_url: str, redis_url: str) -> None:
    async with place(amqp_url, redis_url) as it:
        await it.publish(b"\x00 no JSON", correlation_id="bytes")
        await it.publish(b"{}", type=None, correlation_id="no-type")
        await it.publish(b"{}", content_type="text/plain", correlation_id="text")
        await it.publish(b"{}", correlation_id="nobody", headers={"trace": "7"})
        await it.publish(b"{}", type="shop.unheard_of", correlation_id="unheard")
        letters = {letter.correlation_id: letter for letter in await it.dead(5)}
        reasons = {name: letter.headers["dead_reason"] for name, letter in letters.items()}
        assert reasons == {
            "bytes": "malformed",
            "no-type": "malformed",
            "text": "malformed",
            "nobody": "invalid_arguments",
            "unheard": "unknown_task",
        }
        assert set(letters["nobody"].headers) - {"trace"} == headers_of_a_dead_letter()
        for job_id in ("bytes", "nobody", "unheard"):
            assert (await it.ended(job_id)).state is State.FAILURE
        for job_id in ("no-type", "text"):
            with pytest.raises(JobNotFound):
                await it.app.job(job_id).status()


async def test_ids(amqp_url: str, redis_url: str) -> None:
    async with place(amqp_url, redis_url) as it:
        await it.publish(b'{"args": ["Ada"]}', message_id="by-message-id")
        assert (await it.ended("by-message-id")).result == "Hello, Ada!"
        # With confirms on, aiormq gives a message an id if it has none.
        await it.publish(b'{"args": ["Grace"]}', confirms=False)
        adopted = await it.next_end()
        assert (await it.ended(adopted)).result == "Hello, Grace!"
        await it.publish(b'{"args": ["Edsger"]}', correlation_id="by-message-id")
        await it.publish(b"{}", type="shop.close_day", correlation_id="after-it")
        assert await it.next_end() == "after-it"
        assert (await it.ended("by-message-id")).result == "Hello, Ada!"


def headers_of_a_dead_letter() -> set[str]:
    """Those in the page's table, with those that every message has."""
    cells = " ".join(table("Dead letters"))
    return set(re.findall(r"`(\w+)`", cells)) | {"attempt", "generation"}


def example() -> tuple[str, str]:
    """The worked example of the ladder: exchange and routing key."""
    [key] = [b.text.strip() for b in blocks(text(PAGE)) if b.text.endswith(".scan.discovery\n")]
    found = re.search(r"For 0\.8 s to .*? the exchange is `([\w.]+)`", text(PAGE))
    assert found is not None
    return found[1], key


def test_the_worked_example_is_what_the_code_computes() -> None:
    assert example() == route(Names("warrener"), "scan.discovery", 0.8)
    exchange, key = route(Names("warrener"), "scan.discovery", 1.3)
    assert exchange == "warrener.delay.03"
    assert key.endswith("1.1.0.1.scan.discovery")
    assert "`1.1.0.1`" in text(PAGE)


def test_the_limits_are_those_of_the_code() -> None:
    page = text(PAGE)
    assert f"{LONGEST_DELAY:,.1f} s, {LONGEST_DELAY // 86_400:.0f} days" in page
    assert f"That leaves {LONGEST_QUEUE_NAME} " in page
    assert f"; {LONGEST_QUEUE_NAME} characters at most" in page
    assert f"ladder: {RUNGS} queues" in page


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading, by their first cell, without the table's head."""
    part = re.split(r"\n##+ ", text(PAGE).partition(f"# {heading}\n")[2])[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {row[0]: row[1:] for row in rows}


def row(heading: str, name: str) -> list[str]:
    """The row of an exchange or a queue; that of the rungs stands for all of them."""
    wanted = re.sub(r"delay\.\d\d", "delay.00", f"`{name}`")
    [found] = [cells for first, cells in table(heading).items() if first.startswith(wanted)]
    return found


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_exchanges_and_queues_are_those_of_the_code(kind: Literal["quorum", "classic"]) -> None:
    settings = Settings(queue_type=kind)
    topology = shared(settings) + stage(settings, "scan.discovery")
    assert len(table("Exchanges")) + RUNGS - 1 == len({e.name for e in topology.exchanges})
    assert len(table("Queues")) + RUNGS - 1 == len(topology.queues)
    for exchange in topology.exchanges:
        shown = row("Exchanges", exchange.name)
        arguments = ", ".join(f"`{name}`: `{value}`" for name, value in exchange.arguments.items())
        assert shown[:2] == [exchange.type, arguments]
    for queue in topology.queues:
        cell = row("Queues", queue.name)[kind == "classic"]
        for name, value in queue.arguments.items():
            rung = ".delay." in queue.name and name in ("x-dead-letter-exchange", "x-message-ttl")
            assert rung or f"`{name}: {value}`" in cell, (queue.name, name)
        assert cell.count("`x-") <= len(queue.arguments)


def test_the_states_are_those_of_the_code() -> None:
    assert states.__doc__ is not None
    diagram = states.__doc__.split("\n\n")[1]
    assert any(block.text.rstrip() == diagram.rstrip() for block in blocks(text(PAGE)))
    for state, following in states.TRANSITIONS.items():
        after = table("States")[state.value if state else "(none)"][1]
        assert set(after.split(", ")) - {""} == {state.value for state in following}
