"""What arq's side of the bench runs, for reference: jobs and results are in Redis alone."""

# mypy: ignore-errors
import asyncio
import os
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from asking import answer_async

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"])
pool = None


async def nothing(ctx: dict, seconds: float = 0) -> str:
    """A job that costs nothing, or waits."""
    if seconds:
        await asyncio.sleep(seconds)
    return ""


class WorkerSettings:
    functions = [nothing]  # noqa: RUF012
    redis_settings = SETTINGS
    max_jobs = int(os.environ["BENCH_SLOTS"])
    keep_result = 86_400


async def send(seconds: float) -> str:
    return f"arq:result:{(await pool.enqueue_job('nothing', seconds)).job_id}"


@asynccontextmanager
async def opened():
    global pool  # noqa: PLW0603
    pool = await create_pool(SETTINGS)
    yield
    await pool.aclose()


if __name__ == "__main__":
    answer_async(opened, send)
