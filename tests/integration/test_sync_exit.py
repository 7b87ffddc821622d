"""How a script ends that has sent something: with its connections closed, and silently."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass

import pytest

from tests.support import PATIENCE

from .conftest import Yard, until

SENDS = """
from tests.integration import yard
job = yard.run.send_sync("a")
"""
WAITS_AND_FAILS = (
    SENDS
    + """
try:
    job.result_sync(timeout=0.01)
except Exception as error:
    assert type(error).__name__ == "ResultTimeout", error
raise SystemExit(7)
"""
)
OWN_LOOP = (
    SENDS
    + """
import asyncio
async def main():
    async with yard.app:
        await yard.run.send("b")
asyncio.run(main())
"""
)
IN_A_THREAD = """
import threading
from tests.integration import yard
thread = threading.Thread(target=yard.run.send_sync, args=("a",))
thread.start(); thread.join()
"""
FORKS = (
    SENDS
    + """
import os, sys
if os.fork() == 0:
    sys.exit(0)  # by way of the exit handlers, with a loop that is the parent's
os.wait()
yard.run.send_sync("b")
"""
)
FORKS_AND_SENDS = (
    SENDS
    + """
import os, sys
if os.fork() == 0:
    yard.run.send_sync("b")
    sys.exit(0)
_, status = os.wait()
assert status == 0, status
"""
)


@dataclass
class Ended:
    """A script that has ended."""

    code: int | None
    errors: str


async def script(yard: Yard, text: str, **environment: str) -> Ended:
    """Run this with every warning on; but Python warns a fork of what its parent has left open."""
    warned = () if "fork" in text else ("-W", "error")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *warned, "-c", text),
        stdout=PIPE,
        stderr=PIPE,
        # So long that a reply which nobody hears is not asked for again in time.
        env={**os.environ, **yard.environment, "WARRENER_CONNECT_TIMEOUT": "60", **environment},
    )
    async with asyncio.timeout(PATIENCE):
        _, errors = await process.communicate()
    return Ended(process.returncode, errors.decode())


def _logged(yard: Yard, pattern: str) -> int:
    """How often RabbitMQ has logged this."""
    return len(re.findall(pattern, yard.rabbit.log.read_text()))


@pytest.mark.parametrize(
    "text, code, connections",
    [
        (WAITS_AND_FAILS, 7, 1),
        (OWN_LOOP, 0, 2),
        (IN_A_THREAD, 0, 1),
        (FORKS, 0, 1),
        (FORKS_AND_SENDS, 0, 2),
    ],
)
async def test_a_script_ends_silently_with_its_connections_closed(
    yard: Yard, text: str, code: int, connections: int
) -> None:
    assert await script(yard, text) == Ended(code, "")
    opened = f"granted access to vhost '{yard.vhost}'"
    assert _logged(yard, opened) == connections
    # 4.x says here how long it lasted.
    closing = rf"vhost: '{yard.vhost}', user: 'guest'(?:, duration: '.*')?\)"
    await until(lambda: _logged(yard, closing) == connections, "the connections' ends")
    assert _logged(yard, f"{closing}:\nclient unexpectedly closed TCP connection") == 0


async def test_a_script_ends_although_nobody_answers_any_more(yard: Yard) -> None:
    text = SENDS + "import os, signal; os.kill(int(os.environ['BROKER']), signal.SIGSTOP)\n"
    try:
        ended = await script(yard, text, BROKER=str(yard.rabbit.pid))
    finally:
        os.kill(yard.rabbit.pid, signal.SIGCONT)
    assert ended == Ended(0, "")
