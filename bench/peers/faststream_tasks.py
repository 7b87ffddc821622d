"""What FastStream's side of the bench runs: a quorum queue, acknowledged after the handler. It keeps no
results: the handler stores its own in Redis. Who waits for an answer asks by its request(), RabbitMQ's
direct reply-to."""

# mypy: ignore-errors
import asyncio
import os
import uuid

import redis.asyncio
from asking import answer_async
from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.schemas.queue import QueueType

store = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS_URL"])
broker = RabbitBroker(os.environ["BENCH_AMQP_URL"])
app = FastStream(broker)
queue = RabbitQueue("faststream-bench", queue_type=QueueType.QUORUM, durable=True)


@broker.subscriber(queue, channel=Channel(prefetch_count=int(os.environ["BENCH_SLOTS"])))
async def nothing(job: dict) -> str:
    """A job that costs nothing, or waits."""
    if job["seconds"]:
        await asyncio.sleep(job["seconds"])
    await store.set(job["id"], "", ex=86_400)
    return ""


def job_of(seconds: float) -> dict:
    return {"id": f"faststream:{uuid.uuid4().hex}", "seconds": seconds}


async def send(seconds: float) -> str:
    job = job_of(seconds)
    await broker.publish(job, queue, persist=True, mandatory=True)
    return job["id"]


async def wait() -> None:
    await broker.request(job_of(0), queue, persist=True, timeout=60)


class Opened:
    """The connection, and the queue that a worker would declare."""

    async def __aenter__(self) -> None:
        await broker.connect()
        await broker.declare_queue(queue)

    async def __aexit__(self, *_: object) -> None:
        await broker.stop()


if __name__ == "__main__":
    answer_async(Opened, send, wait)
