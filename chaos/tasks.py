"""What the workers run: jobs that succeed, retry, fail, sleep, block, burn, and kill their own process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from warrener import Chain, Job, Limits, Retry, Task, Warrener, chain, chord, every, group

from . import ledger
from .throttles import A_KEY, A_SECOND, IN_FLIGHT

ME = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
"""This process, by a name that is never used again."""


@asynccontextmanager
async def known() -> AsyncIterator[None]:
    """Tell who watches that this process lives, by a socket that the kernel closes with it."""
    if "CHAOS" not in os.environ:
        yield
        return
    _, writer = await asyncio.open_unix_connection(str(_folder() / "lives"))
    writer.write(f"{ME}\n".encode())
    yield


def _folder() -> Path:
    return Path(os.environ["CHAOS"])


app = Warrener(lifespan=known, default_queue="quick")
QUICKLY = Retry(2, base=0.3, maximum=2.0)


@contextmanager
def noted(job: Job[None]) -> Iterator[None]:
    """Start and end in the ledger, however it ends."""
    facts = (job.id, job.generation, job.attempt, ME)
    ledger.write(_folder(), "start", *facts)
    try:
        yield
    finally:
        ledger.write(_folder(), "end", *facts)


@app.task(retry=QUICKLY)
async def succeed(job: Job[None], n: int) -> int:
    """The most usual job."""
    with noted(job):
        return n


@app.task(queue="slow", retry=QUICKLY)
async def sleep(job: Job[None], seconds: float) -> float:
    """Waits as for the network."""
    with noted(job):
        await asyncio.sleep(seconds)
        return seconds


@app.task(queue="slow", retry=QUICKLY)
def block(job: Job[None], seconds: float) -> float:
    """Blocks its thread."""
    with noted(job):
        time.sleep(seconds)
        return seconds


@app.task(queue="heavy", retry=QUICKLY)
async def burn(job: Job[None], seconds: float) -> int:
    """Burns the processor without ever giving the loop back."""
    with noted(job):
        rounds, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            rounds += 1
        return rounds


@app.task(queue="heavy", retry=QUICKLY)
async def stumble(job: Job[None]) -> int:
    """Fails at first, and then works."""
    with noted(job):
        if job.attempt == 1:
            raise ConnectionError("the first attempt always fails")
        return job.attempt


@app.task(queue="heavy", retry=Retry(1, base=0.2))
async def fail(job: Job[None], repaired_in: int) -> int:
    """Fails until it has been replayed so often."""
    with noted(job):
        if job.generation < repaired_in:
            raise ValueError(f"generation {job.generation} always fails")
        return job.generation


@app.task(queue="heavy", retry=QUICKLY)
def die(job: Job[None], how: str) -> str:
    """Kills its own process in a first run now and then: a job that was lost runs again."""
    with noted(job):
        marker = _folder() / f"died-{job.id}-{job.generation}"
        if not marker.exists():
            marker.touch()
            if how == "exit":
                os._exit(3)
            os.kill(os.getpid(), signal.SIGSEGV)
        return how


@app.task(queue="slow", time_limit=1.0, retry=Retry(1, base=0.2))
def overrun(job: Job[None]) -> None:
    """Longer than its time limit, always."""
    with noted(job):
        time.sleep(30)


@app.task(queue="slow", retry=QUICKLY, limits=Limits(key="customer", max_per_key=A_KEY))
async def share(job: Job[None], customer: str, seconds: float) -> float:
    """Never more than so many of a customer at once."""
    with noted(job):
        await asyncio.sleep(seconds)
        return seconds


@app.task(queue="heavy", retry=QUICKLY, limits=Limits(max_in_flight=IN_FLIGHT))
async def narrow(job: Job[None], seconds: float) -> float:
    """Never more than so many of it at once."""
    with noted(job):
        await asyncio.sleep(seconds)
        return seconds


@app.task(retry=QUICKLY, limits=Limits(rate=f"{A_SECOND}/s"))
async def metered(job: Job[None], n: int) -> int:
    """Never more than so many starts in a second."""
    with noted(job):
        return n


@app.task(queue="heavy", retry=QUICKLY)
async def gather(job: Job[None], found: list[int]) -> int:
    """The body of a chord: with a list that lacks something it never succeeds."""
    with noted(job):
        if found != list(range(len(found))):
            raise AssertionError(f"the members gave {found}")
        return len(found)


@app.task(queue="quick", retry=QUICKLY)
async def total(job: Job[None], found: list[int]) -> int:
    """The last step of a workflow."""
    with noted(job):
        return found[0]


@app.task(retry=QUICKLY)
async def tell_success(job: Job[None], result: int) -> int:
    """Called once for each workflow that succeeds."""
    with noted(job):
        return result


@app.task(retry=QUICKLY)
async def tell_failure(job: Job[None], causes: list[dict[str, Any]]) -> int:
    """Called once for each that fails."""
    with noted(job):
        return len(causes)


def woven(flow_id: str, n: int, repaired_in: int) -> Chain[Any, Any]:
    """A workflow that comes to `n`, once one of its parts has been replayed so often."""
    members = chord([succeed.s(number) for number in range(n)], gather.s())
    shaky = chain(stumble.s(), fail.si(repaired_in))
    whole = chain(group(members, shaky), total.s())
    return whole.options(id=flow_id, on_success=tell_success.s(), on_error=tell_failure.s())


@app.task(queue="slow", retry=QUICKLY)
async def weave(job: Job[None], n: int, repaired_in: int) -> int:
    """Submits a workflow, under an id that a second run repeats."""
    with noted(job):
        await woven(f"{job.id}.flow", n, repaired_in).send()
        return n


@app.task(queue="slow", retry=QUICKLY)
async def fan_out(job: Job[None], n: int) -> list[str]:
    """Submits others, under ids that a second run repeats."""
    with noted(job):
        return await send_each(succeed, job, n)


@app.task(queue="slow", retry=QUICKLY)
async def rush(job: Job[None], n: int) -> list[str]:
    """Submits more of what is metered than may start at once."""
    with noted(job):
        return await send_each(metered, job, n)


async def send_each(task: Task[[int], int], job: Job[None], n: int) -> list[str]:
    """The ids of so many jobs, which follow from this one's."""
    sends = [task.options(id=f"{job.id}.{i}").send(i) for i in range(n)]
    return [handle.id for handle in await asyncio.gather(*sends)]


@app.task(retry=QUICKLY)
async def pulse(*, job: Job[None]) -> None:
    """What three beats submit, once a second."""
    with noted(job):
        return


# However long beat was held up: each tick is wanted.
app.schedule("pulse", every(seconds=1), pulse.s(), missed=1000)
