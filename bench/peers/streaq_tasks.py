"""What streaq's side of the bench runs, for reference: jobs and results are in Redis alone."""

# mypy: ignore-errors
import asyncio
import os

from asking import answer_async
from streaq import Worker

worker = Worker(redis_url=os.environ["BENCH_REDIS_URL"], concurrency=int(os.environ["BENCH_SLOTS"]))


@worker.task(ttl=86_400)
async def nothing(seconds: float = 0) -> str:
    """A job that costs nothing, or waits."""
    if seconds:
        await asyncio.sleep(seconds)
    return ""


async def send(seconds: float) -> str:
    return worker.results_key + (await nothing.enqueue(seconds)).id


async def many(count: int, seconds: float) -> list[str]:
    keys = []
    for begin in range(0, count, 1000):
        jobs = [nothing.enqueue(seconds) for _ in range(min(1000, count - begin))]
        await worker.enqueue_many(jobs)
        keys += [worker.results_key + job.id for job in jobs]
    return keys


if __name__ == "__main__":
    answer_async(lambda: worker, send, many=many)
