"""The recipe for signing, as another client would follow it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support import PATIENCE, running_worker
from warrener import State, Warrener
from warrener.signing import VERSION, WORKFLOW_VERSION

from .blocks import text, write_files

KEYS = "a:0123456789abcdef"


@pytest.mark.parametrize("keys", [KEYS, f"b:fedcba9876543210,{KEYS}"])
async def test_a_bare_client_signs_as_the_page_says(
    amqp_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    write_files("tutorial.md", tmp_path)
    write_files("protocol.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    worker = running_worker(
        *("shop:app", ["default"], amqp_url, redis_url), WARRENER_SIGNING_KEYS=keys
    )
    environment = {**os.environ, "WARRENER_AMQP_URL": amqp_url, "WARRENER_SIGNING_KEYS": KEYS}
    async with worker as it, Warrener(amqp_url=amqp_url, redis_url=redis_url) as app:
        for script in ("submit.py", "submit_signed.py"):
            process = await asyncio.create_subprocess_exec(sys.executable, script, env=environment)
            assert await process.wait() == 0
        await it.says("a message on default is dead-lettered: it is not signed")
        await it.says("ready")
        job = app.job("signed-ada")
        async with asyncio.timeout(PATIENCE):
            assert await job.result() == "Hello, Ada!"
        assert (await job.status()).state is State.SUCCESS
        assert await app.backend().status("welcome-ada") is None


def test_the_lines_are_those_of_the_page() -> None:
    part = text("protocol.md").partition("## Signed messages")[2]
    assert re.findall(r"^\| (\d) \|", part, re.MULTILINE) == list("123456789")
    assert f"| 1 | `{VERSION}`. " in part
    assert f"`{WORKFLOW_VERSION}`" in part
