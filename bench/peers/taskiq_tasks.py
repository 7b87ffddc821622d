"""What Taskiq's side of the bench runs: a quorum queue, results in Redis, acknowledged when executed."""

# mypy: ignore-errors
import asyncio
import os
from contextlib import asynccontextmanager

from asking import answer_async
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType
from taskiq_redis import RedisAsyncResultBackend

results = RedisAsyncResultBackend(os.environ["BENCH_REDIS_URL"], result_ex_time=86_400)
broker = AioPikaBroker(
    os.environ["BENCH_AMQP_URL"],
    qos=int(os.environ["BENCH_SLOTS"]),
    task_queues=[Queue(name="taskiq-bench", type=QueueType.QUORUM)],
).with_result_backend(results)


@broker.task(task_name="nothing")
async def nothing(seconds: float = 0) -> str:
    """A job that costs nothing, or waits."""
    if seconds:
        await asyncio.sleep(seconds)
    return ""


async def send(seconds: float) -> str:
    return (await nothing.kiq(seconds)).task_id


async def wait() -> None:
    # It asks again and again; every 200 ms, its default, would be the latency.
    await (await nothing.kiq(0)).wait_result(check_interval=0.001, timeout=60)


@asynccontextmanager
async def opened():
    await broker.startup()
    yield
    await broker.shutdown()


if __name__ == "__main__":
    answer_async(opened, send, wait)
