"""The tutorial's files and sessions, run in order on real parts: what it shows is what happens."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import sys
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import PATIENCE, running, running_worker
from warrener_workers.nodes.ports import free_ports

from .blocks import (
    DOCS,
    Step,
    blocks,
    printed_as_shown,
    sections,
    sessions,
    text,
    write_files,
)

PAGE = "tutorial.md"
QUEUES = ("default", "shop.photos", "shop.till", "shop.reports", "shop.debug")
PROGRAMS = {
    "python": (),
    "pytest": ("-m", "pytest"),
    "warrener": ("-m", "warrener_workers.cli"),
}
# Those that set up a machine, or serve until they are stopped: what they do is tested elsewhere, and
# the servers that they would be are running.
NOT_RUN = ("python3 -m venv", ". .venv", "pip install", "export", "docker", "uvicorn")
SERVERS = ("warrener dev", "warrener worker")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tutorial's folder as the current one, with its files as they are at the end."""
    write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch, amqp_url: str, redis_url: str) -> tuple[str, str]:
    """Exported, what the tutorial's `dev` would let the second terminal find."""
    monkeypatch.setenv("WARRENER_AMQP_URL", amqp_url)
    monkeypatch.setenv("WARRENER_REDIS_URL", redis_url)
    monkeypatch.setenv("WARRENER_APP", "shop:app")
    monkeypatch.setenv("COLUMNS", "200")
    return amqp_url, redis_url


async def run(step: Step) -> str:
    """Run a command of a session; what it printed, errors included."""
    program, *arguments = shlex.split(step.command)
    command = [program] if program == "touch" else [sys.executable, *PROGRAMS[program]]
    process = await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    return output.decode()


def curl(arguments: list[str], ports: Mapping[str, int]) -> str:
    """What curl would print, for the options that the tutorial uses."""
    method, headers, data = "GET", {}, None
    [url] = [word for word in arguments if word.startswith("http://")]
    for option, value in pairwise(arguments):
        if option == "-X":
            method = value
        elif option == "-H":
            name, _, text = value.partition(": ")
            headers[name] = text
        elif option == "-d":
            data = value.encode()
    for shown, real in ports.items():
        url = url.replace(f":{shown}/", f":{real}/")
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return str(response.read().decode())


@asynccontextmanager
async def mounted(port: int) -> AsyncIterator[None]:
    """The tutorial's own FastAPI app, served."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "web:web", "--port", str(port)), stderr=PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while b"Uvicorn running" not in (line := await process.stderr.readline()):
                assert line, "uvicorn ended"
        yield
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.timeout(600)  # some forty commands, each a process
async def test_every_session_prints_what_the_tutorial_shows(urls: tuple[str, str]) -> None:
    ports = dict(zip(("8000", "8001"), free_ports(2), strict=True))
    async with AsyncExitStack() as stack:
        name = ("--name", "dev-all-1")
        await stack.enter_async_context(running_worker("shop:app", QUEUES, *urls, *name))
        api = ("api", "--port", str(ports["8000"]))
        served = await stack.enter_async_context(running(*api))
        await stack.enter_async_context(mounted(ports["8001"]))
        await served.says("Application startup complete")
        a_few = asyncio.Semaphore(3)
        every = sections(PAGE)
        # What is newest in the audit trail is nobody else's only while nobody else does anything.
        alone = [section for section in every if "$ warrener audit" in section]
        for section in alone:
            await follow(section, ports, a_few)
        async with asyncio.TaskGroup() as group:
            for section in every:
                if section not in alone:
                    group.create_task(follow(section, ports, a_few))


async def follow(section: str, ports: Mapping[str, int], turn: asyncio.Semaphore) -> None:
    """Run the sessions of one section in order. Sections do not build on each other's jobs, nor do two of
    them pause the same queue."""
    async with turn:
        for step in sessions(section):
            if step.command.startswith((*NOT_RUN, *SERVERS, "warrener status")):
                continue
            if step.command.startswith("curl"):
                arguments = shlex.split(step.command)[1:]
                output = await asyncio.to_thread(curl, arguments, ports)
            else:
                output = await run(step)
            assert printed_as_shown(step, output), f"$ {step.command}\n{output}"


@pytest.mark.usefixtures("urls")
async def test_the_workers_of_production_start_show_themselves_and_stop() -> None:
    steps = list(sessions(text(PAGE)))
    commands = [s.command for s in steps if re.match("warrener worker .* --name", s.command)]
    assert len(commands) == 3
    async with AsyncExitStack() as stack:
        workers = []
        for command in commands:
            arguments = shlex.split(command)[1:]
            workers.append(await stack.enter_async_context(running(*arguments)))
        for worker in workers:
            await worker.says(" ready: ")
        [status] = [s for s in steps if s.command.startswith("warrener status")]
        shown, printed = status.output.split(), (await run(status)).split()
        assert [word for word in shown if word.isalpha()][:8] == printed[:8]
        assert "till-1" in printed
        for worker in workers:
            worker.kill(signal.SIGTERM)
        assert [await worker.ended() for worker in workers] == [0] * len(workers)


def test_the_tutorial_speaks_of_nothing_else() -> None:
    assert {block.language for block in blocks(text(PAGE))} == {"python", "ini", "console"}
    for step in sessions(text(PAGE)):
        known = (*NOT_RUN, *SERVERS, "touch", "curl", *(f"{name} " for name in PROGRAMS))
        assert step.command.startswith(known), step.command


@pytest.mark.parametrize("page", ["tutorial.md", "protocol.md"])
def test_links_lead_to_something(page: str) -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text(page).splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("http"):
            assert (DOCS / target.partition("#")[0]).exists(), target
