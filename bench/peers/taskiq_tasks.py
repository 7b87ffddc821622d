"""What Taskiq's side of the bench runs: a quorum queue, results in Redis, acknowledged when executed."""

# mypy: ignore-errors
import asyncio
import os
import sys

from taskiq_aio_pika import AioPikaBroker, Queue, QueueType
from taskiq_redis import RedisAsyncResultBackend

results = RedisAsyncResultBackend(os.environ["BENCH_REDIS_URL"], result_ex_time=86_400)
broker = AioPikaBroker(
    os.environ["BENCH_AMQP_URL"],
    result_backend=results,
    qos=int(os.environ["BENCH_SLOTS"]),
    task_queues=[Queue(name="taskiq-bench", type=QueueType.QUORUM)],
)


@broker.task(task_name="nothing")
async def nothing(seconds: float = 0) -> str:
    """A job that costs nothing, or waits."""
    if seconds:
        await asyncio.sleep(seconds)
    return ""


async def submit(count: int, seconds: float) -> None:
    await broker.startup()
    for _ in range(count):
        print((await nothing.kiq(seconds)).task_id)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(submit(int(sys.argv[1]), float(sys.argv[2])))
