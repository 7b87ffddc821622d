"""Sending and waiting from code without an event loop, also after a fork."""

from __future__ import annotations

import asyncio
import os
import sys

from warrener import State

from .conftest import Yard

SCRIPT = """
import os, sys
from tests.integration import yard
first = yard.run.send_sync("first")
assert first.result_sync(timeout=30) == "first"
child = os.fork()
if child == 0:
    code = 1
    try:
        # The parent's loop and connections did not come along.
        handle = yard.run.send_sync("forked")
        code = 0 if handle.result_sync(timeout=30) == "forked" else 2
    finally:
        os._exit(code)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
# And the parent's own still work.
many = yard.app.send_many_sync([yard.run.s(f"many-{n}") for n in range(3)])
print([handle.result_sync(timeout=30) for handle in many], many[0].status_sync().state)
"""


async def test_a_script_sends_and_waits_before_and_after_a_fork(yard: Yard) -> None:
    async with yard.worker():
        script = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SCRIPT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **yard.environment},
        )
        async with asyncio.timeout(60):
            output, errors = await script.communicate()
        assert script.returncode == 0, errors.decode()
        assert output.decode().strip() == f"['many-0', 'many-1', 'many-2'] {State.SUCCESS}"
    for name in ("first", "forked", "many-0", "many-1", "many-2"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
