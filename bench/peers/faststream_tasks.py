"""What FastStream's side of the bench runs: a quorum queue, acknowledged after the handler. It keeps no
results: the handler stores its own in Redis."""

# mypy: ignore-errors
import asyncio
import os
import sys
import uuid

import redis.asyncio
from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.schemas.queue import QueueType

store = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS_URL"])
broker = RabbitBroker(os.environ["BENCH_AMQP_URL"])
app = FastStream(broker)
queue = RabbitQueue("faststream-bench", queue_type=QueueType.QUORUM, durable=True)


@broker.subscriber(queue, channel=Channel(prefetch_count=int(os.environ["BENCH_SLOTS"])))
async def nothing(job: dict) -> None:
    """A job that costs nothing, or waits."""
    if job["seconds"]:
        await asyncio.sleep(job["seconds"])
    await store.set(job["id"], "", ex=86_400)


async def submit(count: int, seconds: float) -> None:
    async with broker:
        await broker.declare_queue(queue)
        for _ in range(count):
            name = f"faststream:{uuid.uuid4().hex}"
            job = {"id": name, "seconds": seconds}
            await broker.publish(job, queue, persist=True, mandatory=True)
            print(name)


if __name__ == "__main__":
    asyncio.run(submit(int(sys.argv[1]), float(sys.argv[2])))
