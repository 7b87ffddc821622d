"""The app that the integration tests run: tasks that leave lines in a ledger, wait at gates, misbehave.

`YARD` names a folder: `ledger` in it gets a line per event, and a gate is open once its file exists.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from warrener import Job, Limits, Retry, Unique, Warrener

log = logging.getLogger("yard")


def place() -> Path:
    """The folder of the test that runs."""
    return Path(os.environ["YARD"])


def note(event: str, name: str) -> None:
    """Append to the ledger; one write, so that lines of several processes do not mix."""
    line = f"{event} {name} {os.getpid()}\n".encode()
    ledger = os.open(place() / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, line)
    finally:
        os.close(ledger)


def runs_of(name: str) -> int:
    """How often a task of this name has started so far."""
    return (place() / "ledger").read_text().count(f"start {name} ")


@asynccontextmanager
async def lifespan() -> AsyncIterator[str]:
    """Notes its begin and end: one of each per child."""
    if "YARD" not in os.environ:  # solo in the test's own process
        yield ""
        return
    while (place() / "closed").exists():  # noqa: ASYNC110 — another process opens it
        await asyncio.sleep(0.02)
    note("enter", "lifespan")
    try:
        yield "resources"
    finally:
        note("leave", "lifespan")


app = Warrener(lifespan=lifespan, default_queue="yard")

QUICKLY = Retry(1, base=0.1, jitter=0)


@app.task
async def run(name: str) -> str:
    """Nothing but its two lines."""
    note("start", name)
    note("end", name)
    return name


async def _gate(name: str) -> None:
    while not (place() / name).exists():  # noqa: ASYNC110 — another process opens it
        await asyncio.sleep(0.02)


@app.task
async def wait(name: str, gate: str) -> str:
    """A coroutine that ends once the gate is open."""
    note("start", name)
    await _gate(gate)
    note("end", name)
    return name


@app.task
async def sends(name: str, gate: str) -> str:
    """Submits a job once the gate is open."""
    note("start", name)
    await _gate(gate)
    await run.options(id=f"{name}-sent").send(f"{name}-sent")
    note("end", name)
    return name


@app.task(retry=QUICKLY)
async def gated(name: str, gate: str, failures: int) -> str:
    """Waits for the gate, then fails in its first runs."""
    note("start", name)
    await _gate(gate)
    if runs_of(name) <= failures:
        raise ValueError(name)
    note("end", name)
    return name


@app.task(limits=Limits(max_in_flight=2))
async def two_at_once(name: str, gate: str) -> str:
    """At most two of it run, on all workers together."""
    note("start", name)
    await _gate(gate)
    note("end", name)
    return name


@app.task(limits=Limits(rate="5/s"))
async def five_a_second(name: str) -> str:
    """Notes what it does."""
    note("start", name)
    return name


@app.task(limits=Limits(key="customer"), retry=QUICKLY)
async def serves(name: str, customer: str, gate: str = "", failures: int = 0) -> str:
    """One at a time for each customer."""
    note("start", name)
    if gate:
        await _gate(gate)
    note("end", name)
    if runs_of(name) <= failures:
        raise ValueError(name)
    return name


@app.task(unique=Unique(by=("name",)))
async def alone(name: str, number: int) -> str:
    """One of a name waits or runs, whatever its number."""
    note("start", name)
    return name


@app.task(unique=Unique(on_duplicate="error"))
async def alone_or_error(name: str) -> str:
    """Others are refused."""
    note("start", name)
    return name


@app.task(unique=Unique(expires=0.8))
async def alone_briefly(name: str) -> str:
    """For less than a second."""
    note("start", name)
    return name


@app.task(priority=7)
async def urgent(name: str) -> str:
    """Comes before others, where there are priorities."""
    note("start", name)
    return name


@app.task
def wait_plain(name: str, gate: str) -> str:
    """The same in a thread."""
    note("start", name)
    while not (place() / gate).exists():
        time.sleep(0.02)
    note("end", name)
    return name


@app.task
async def tidy(name: str, gate: str) -> str:
    """A coroutine that notes it when it leaves, however that comes."""
    note("start", name)
    try:
        await _gate(gate)
        note("end", name)
    finally:
        note("tidied", name)
    return name


@app.task
async def stubborn(name: str, gate: str) -> str:
    """One that does not end when it is cancelled."""
    note("start", name)
    try:
        await _gate(gate)
    except asyncio.CancelledError:
        note("refused", name)
    note("end", name)
    return name


@app.task
def looks(name: str, *, job: Job[str]) -> str:
    """A plain function that ends once it is revoked."""
    note("start", name)
    while not job.revoked:
        time.sleep(0.02)
    note("saw", name)
    job.check_revoked()
    return name


@app.task(isolate=True)
async def isolated(name: str) -> str:
    """Gets a process of its own."""
    note("start", name)
    return name


@app.task(max_losses=0)
async def once(name: str, gate: str) -> str:
    """Must never start twice."""
    note("start", name)
    await _gate(gate)
    note("end", name)
    return name


@app.task
async def die(name: str, times: int) -> str:
    """Ends its process in its first runs."""
    note("start", name)
    if runs_of(name) <= times:
        os._exit(9)
    note("end", name)
    return name


@app.task
def dies_of(name: str, number: int) -> str:
    """A signal ends its process in its first run, or its whole process group if the number is negative."""
    note("start", name)
    if runs_of(name) == 1:
        os.killpg(os.getpgrp(), -number) if number < 0 else os.kill(os.getpid(), number)
    return name


@app.task(max_losses=0)
async def die_once(name: str) -> None:
    """Ends its process, and must not get a second chance."""
    note("start", name)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(time_limit=0.5, retry=QUICKLY)
def sleeps(name: str) -> None:
    """In a system call."""
    note("start", name)
    time.sleep(60)


@app.task(time_limit=0.5, retry=QUICKLY)
def spins(name: str) -> None:
    """Busy in a thread."""
    note("start", name)
    while True:
        pass


@app.task(time_limit=0.5, retry=QUICKLY)
def calls(name: str) -> None:
    """In a call of C that holds the interpreter's lock: no other thread runs meanwhile."""
    note("start", name)
    sum(range(10**12))


@app.task(time_limit=0.5, retry=QUICKLY)
async def hogs(name: str) -> None:
    """A coroutine that never gives the loop back."""
    note("start", name)
    while True:
        pass


@app.task(time_limit=0.5, retry=QUICKLY)
def sleeps_once(name: str) -> int:
    """Too long in the first run only."""
    note("start", name)
    if runs_of(name) == 1:
        time.sleep(60)
    return runs_of(name)


@app.task(soft_time_limit=0.3, retry=Retry(0))
def softly(name: str) -> None:
    """Busy, and can be interrupted between two bytecodes."""
    note("start", name)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


@app.task
def nap(name: str, seconds: float) -> str:
    """Blocks its thread for so long."""
    note("start", name)
    time.sleep(seconds)
    note("end", name)
    return name


@app.task
async def block(name: str, seconds: float) -> None:
    """Blocks the loop for so long."""
    note("start", name)
    time.sleep(seconds)  # noqa: ASYNC251 — that is the point
    note("end", name)


@app.task(retry=Retry(2, base=0.2, jitter=0))
async def fails(name: str, times: int, kind: str = "ValueError") -> str:
    """Raises in its first runs."""
    note("start", name)
    if runs_of(name) <= times:
        raise {"ValueError": ValueError, "KeyError": KeyError}[kind](name)
    note("end", name)
    return name


@app.task(retry=Retry(0))
async def broken(job: Job[str], name: str, kind: str = "ValueError") -> str:
    """Fails in generation 0, and succeeds once replayed."""
    note("start", name)
    if job.generation == 0:
        raise {"ValueError": ValueError, "KeyError": KeyError}[kind](name)
    note("end", name)
    return name


@app.task
async def reports(job: Job[str], name: str, gate: str) -> str:
    """Shows progress, then waits."""
    note("start", name)
    await job.report_progress(3, 4, "nearly")
    note("reported", name)
    await _gate(gate)
    return job.resources


@app.task
async def counts(job: Job[str], name: str, to: int) -> str:
    """Reports as fast as it can, and ends with the last report."""
    for number in range(1, to + 1):
        await job.report_progress(number, to, name)
    return name


kept: list[bytes] = []


@app.task
async def keeps(name: str, megabytes: int) -> None:
    """Never gives this memory back."""
    note("start", name)
    kept.append(b"x" * megabytes * 2**20)
    note("end", name)


@app.task(queue="patient", time_limit=3600)
async def lasts(name: str) -> None:
    """May run for longer than RabbitMQ waits by default."""
    note("start", name)


@app.task
def burns(name: str, seconds: float) -> str:
    """Keeps a processor busy for so long."""
    note("start", name)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    note("end", name)
    return name


@app.task
async def length(text: str) -> int:
    """Of a text that may be large."""
    return len(text)


@app.task
def speaks(name: str) -> str:
    """Logs a line from its thread."""
    log.info("the task says %s", name)
    return threading.current_thread().name


if "YARD_NEW" not in os.environ:

    @app.task
    async def grows(name: str) -> int:
        """Takes a size as well, in new workers."""
        note("start", name)
        return 0

    @app.task
    async def demands(name: str) -> int:
        """Cannot do without a size, in new workers."""
        note("start", name)
        return 0

else:

    @app.task(name=f"{__name__}.grows")
    async def grown(name: str, size: int = 1) -> int:
        """The new form of grows."""
        note("start", name)
        return size

    @app.task(name=f"{__name__}.demands")
    async def demanding(name: str, size: int) -> int:
        """The new form of demands."""
        note("start", name)
        return size

    @app.task
    async def novelty(name: str) -> str:
        """Known to new workers only."""
        note("start", name)
        return name


@app.task(retry=Retry(0))
def signs_in(name: str, token: SecretStr) -> SecretStr:
    """Notes the length of its secret, and fails until a gate is open."""
    note(f"secret-{len(token.get_secret_value())}", name)
    log.info("%s signs in with %s", name, token)
    if not (place() / "gate").exists():
        raise PermissionError(f"{name} may not sign in with {token}")
    return token
