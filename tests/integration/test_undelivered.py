"""What RabbitMQ itself could not deliver ends as a readable dead letter and a terminal record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest

from tests.contract import shop
from tests.support import PATIENCE, running_worker
from warrener import JobStatus, State
from warrener.client import Client
from warrener.dead_letters import DeadLetter
from warrener.letter_index import DeadLetterIndex
from warrener.settings import Settings
from warrener.topology import Names, stage
from warrener_workers.nodes import RabbitNode

from .conftest import until_true

OTHERS = ("default", "shop.slow")


@asynccontextmanager
async def client_of(amqp_url: str, redis_url: str) -> AsyncIterator[Client]:
    """The app's own client, on this test's servers."""
    shop.app.settings = Settings(amqp_url=amqp_url, redis_url=redis_url)
    async with shop.app:
        backend = shop.app.backend()
        assert isinstance(backend, Client)
        yield backend


async def _ended(client: Client, job_id: str) -> tuple[JobStatus, DeadLetter]:
    async def known() -> bool:
        # A job that was not submitted has no record before a worker has claimed it.
        return await client.status(job_id) is not None

    await until_true(known, "a record")
    status = await client.wait(job_id, PATIENCE)
    assert status is not None
    index = DeadLetterIndex(client.settings, client.store)
    async with asyncio.timeout(PATIENCE):
        while True:
            for letter in await index.page("shop.fast"):
                if letter.job_id == job_id:
                    return status, letter
            await asyncio.sleep(0.02)


async def test_a_queue_deleted_while_a_delayed_job_waits_for_it(
    amqp_url: str, redis_url: str
) -> None:
    async with client_of(amqp_url, redis_url) as client:
        lost = await shop.add.options(countdown=1.0).send(1)
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            await channel.queue_delete("shop.fast")
        async with running_worker("tests.contract.shop:app", OTHERS, amqp_url, redis_url):
            behind = await shop.homeless.options(countdown=1.2).send()
            status, letter = await _ended(client, lost.id)
            assert (status.state, letter.reason) == (State.FAILURE, "undelivered")
            assert "no queue called 'shop.fast' was bound" in letter.error.message
            assert await behind.result(timeout=PATIENCE) == "default"


async def test_a_reject_by_somebody_else(amqp_url: str, redis_url: str) -> None:
    async with client_of(amqp_url, redis_url) as client:
        handle = await shop.add.send(1)
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            queue = await channel.get_queue("shop.fast", ensure=False)
            message = await queue.get()
            assert message is not None
            await message.reject(requeue=False)
        async with running_worker("tests.contract.shop:app", OTHERS, amqp_url, redis_url):
            status, letter = await _ended(client, handle.id)
        assert (status.state, letter.queue) == (State.FAILURE, "shop.fast")
        assert "rejected by something other than Warrener" in letter.error.message


async def test_a_message_that_comes_back_too_often(
    amqp_url: str, redis_url: str, rabbit: RabbitNode
) -> None:
    """A policy of somebody else's sets a low delivery limit, which wins over our high one."""
    vhost = amqp_url.rpartition("/")[2]
    policy = {"pattern": "^shop.fast$", "definition": {"delivery-limit": 1}, "apply-to": "queues"}
    async with client_of(amqp_url, redis_url) as client:
        handle = await shop.add.send(1)
        rabbit.manage("PUT", f"/api/policies/{vhost}/low", policy)
        async with await aio_pika.connect(amqp_url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue("shop.fast", ensure=False)
            async with asyncio.timeout(20), queue.iterator() as messages:
                async for message in messages:
                    # Counted by every version; 4.3 does not count a nack.
                    await message.reject(requeue=True)
                    if message.headers.get("x-delivery-count"):
                        break
        async with running_worker("tests.contract.shop:app", OTHERS, amqp_url, redis_url):
            status, letter = await _ended(client, handle.id)
        assert (status.state, letter.queue) == (State.FAILURE, "shop.fast")
        assert "delivered too often" in letter.error.message


async def test_a_queue_unbound_while_a_delayed_job_waits_for_it(
    amqp_url: str, redis_url: str
) -> None:
    async with client_of(amqp_url, redis_url) as client:
        lost = await shop.add.options(countdown=1.0).send(1)
        names = Names(client.settings.namespace)
        async with await aio_pika.connect(amqp_url) as connection:
            channel = await (await connection.channel()).get_underlay_channel()
            for binding in stage(client.settings, "shop.fast").bindings:
                if binding.source in (names.deliver, names.jobs):
                    await channel.queue_unbind(binding.queue, binding.source, binding.key)
        async with running_worker("tests.contract.shop:app", OTHERS, amqp_url, redis_url):
            behind = await shop.homeless.options(countdown=1.2).send()
            status, letter = await _ended(client, lost.id)
            assert (status.state, letter.reason) == (State.FAILURE, "undelivered")
            assert await behind.result(timeout=PATIENCE) == "default"


@pytest.mark.parametrize("body", [b"\x00\xff", b'{"kwargs": {"a": 1}}'])
async def test_a_dead_queue_that_was_deleted_is_declared_again(
    amqp_url: str, redis_url: str, body: bytes
) -> None:
    async with client_of(amqp_url, redis_url) as client:
        queues = shop.app.queues
        async with running_worker("tests.contract.shop:app", queues, amqp_url, redis_url):
            connection = await aio_pika.connect(amqp_url)
            async with connection:
                channel = await connection.channel()
                await channel.queue_delete("shop.fast.dead")
                job = aio_pika.Message(body, type="shop.unknown", correlation_id="job-1")
                job.headers = {"waiting_since": 1_000}
                await channel.default_exchange.publish(job, "shop.fast")
            status, letter = await _ended(client, "job-1")
            assert status.state is State.FAILURE
            assert letter.reason == "unknown_task"

            async def arrived() -> bool:
                # The letter is listed while it is still on its way, in `warrener.undelivered`.
                found = await client.publisher.depth("shop.fast.dead")
                return found is not None and found.message_count == 1

            await until_true(arrived, "the letter in its dead queue")
