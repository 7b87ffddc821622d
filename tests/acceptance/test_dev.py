"""`warrener dev`: servers, workers and the API in one go, and nothing left of them afterwards."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.support import PATIENCE, Running
from warrener_workers.nodes.ports import free_ports, is_free

from .commands import Done
from .place import WARRENER, clean_environment

SHOP = """
from warrener import Warrener

app = Warrener()

@app.task(name="version", queue="shop.fast")
async def version() -> int:
    return 1

@app.task(name="other", queue="shop.slow", time_limit=86_400)
def other() -> None: ...
"""


@dataclass
class Dev:
    """A running `warrener dev` and its API."""

    it: Running
    http: httpx.AsyncClient
    shop: Path

    async def is_ready(self) -> None:
        """Wait until the API answers and says that RabbitMQ and Redis do."""
        async with asyncio.timeout(PATIENCE):
            while True:
                assert self.it.process.returncode is None, self.it.log
                with suppress(httpx.TransportError):
                    if (await self.http.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def version(self) -> object:
        """What the task `version` returns."""
        accepted = await self.http.post("/jobs", json={"task": "version"})
        assert accepted.status_code == 202, accepted.text
        address = accepted.headers["location"]
        job = (await self.http.get(address, params={"wait": PATIENCE})).json()
        assert job["state"] == "SUCCESS", job
        return job["result"]

    def url_of(self, what: str) -> str:
        """The address that it has printed of one of its servers."""
        [line] = [line for line in self.it.lines if line.startswith(f"{what} ")]
        return line.split()[1]

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        me = psutil.Process(self.it.process.pid)
        return [me, *me.children(recursive=True)]


@asynccontextmanager
async def _dev(folder: Path, *options: str) -> AsyncIterator[Dev]:
    shop = folder / "shop.py"
    shop.write_text(SHOP)
    address = f"http://127.0.0.1:{(port := free_ports(1)[0])}"
    process = await asyncio.create_subprocess_exec(
        *(*WARRENER, "dev", "--app", "shop:app", "--port", str(port), *options),
        cwd=folder,
        env=clean_environment(),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    it = Running(process)
    it.read()
    try:
        async with httpx.AsyncClient(base_url=address, timeout=2 * PATIENCE) as http:
            dev = Dev(it, http, shop)
            await it.says(" ready: ", times=2)
            await dev.is_ready()
            yield dev
    finally:
        it.kill(signal.SIGTERM)
        try:
            await it.ended()
        except TimeoutError:
            it.kill()
            await it.ended()


def _left(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while; what is dead and waits to be reaped does not count."""
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


async def _warrener(folder: Path, *arguments: str) -> Done:
    """`warrener …` there, as in a second terminal: nothing of its environment says where `dev` is."""
    process = await asyncio.create_subprocess_exec(
        *(*WARRENER, *arguments),
        cwd=folder,
        env=clean_environment(),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(2 * PATIENCE):
            printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Done(process.returncode, printed.decode(), complaint.decode())


async def _refused(folder: Path, app: str, *options: str) -> str:
    """What `warrener dev` says there on standard error before it exits with 2."""
    done = await _warrener(folder, "dev", "--app", app, *options)
    assert done.returncode == 2, done
    return done.stderr


async def _is_found_from(folder: Path) -> None:
    submitted = await _warrener(folder, "submit", "version", "--wait", "--json")
    assert submitted.returncode == 0, submitted
    assert json.loads(submitted.stdout)["state"] == "SUCCESS"
    status = await _warrener(folder, "status", "--json")
    names = {worker["name"].rpartition("-")[0] for worker in json.loads(status.stdout)}
    assert names == {"dev-shop.fast", "dev-shop.slow"}
    dead = await _warrener(folder, "dead", "list", "shop.fast", "--json")
    assert (dead.returncode, json.loads(dead.stdout)) == (0, [])


async def test_dev_runs_jobs_reloads_changed_code_and_ends_whole_on_ctrl_c(tmp_path: Path) -> None:
    async with _dev(tmp_path, "--reload") as dev:
        assert await dev.version() == 1
        assert "consumer_timeout" not in dev.it.log, "its own RabbitMQ waits for long tasks"
        await _is_found_from(tmp_path)
        before = {process.pid for process in dev.family()}

        dev.shop.write_text("import no_such_module\n")
        await dev.it.says("cannot be imported: No module named 'no_such_module'")
        dev.shop.write_text(SHOP.replace("return 1", "return 2"))
        await dev.it.says(" ready: ", times=4)
        await dev.is_ready()
        assert await dev.version() == 2

        family = dev.family()
        servers = {p.pid for p in family if p.name().startswith(("beam", "redis", "valkey"))}
        assert len(servers) == 2
        assert servers < before, "RabbitMQ and Redis go on"
        dev.it.kill(signal.SIGINT)
        assert await dev.it.ended() == 0
        assert await asyncio.to_thread(_left, family) == []
    assert not (tmp_path / ".warrener" / "dev.json").exists()


async def test_killed_dev_leaves_no_process_behind(tmp_path: Path) -> None:
    async with _dev(tmp_path) as dev:
        assert await dev.version() == 1
        family = dev.family()
        commands = [" ".join(process.cmdline()) for process in family]
        for part in ("worker shop.fast", "worker shop.slow", "cli api", "rabbit", "redis-server"):
            assert any(part in command for command in commands), (part, commands)
        second = await _refused(tmp_path, "shop:app")
        assert "another private server uses" in second
        assert "Traceback" not in second
        dev.it.kill(signal.SIGKILL)
        assert await dev.it.ended() == -signal.SIGKILL
        assert await asyncio.to_thread(_left, family) == []
    assert (tmp_path / ".warrener" / "dev.json").exists()
    # Whoever serves Warrener's usual ports now, if anybody does: that `dev` is not looked for.
    after = await _warrener(tmp_path, "status")
    assert "Traceback" not in after.stderr
    if after.returncode != 0:
        assert after.returncode == 4
        assert "The `warrener dev` of this folder was killed: start it again." in after.stderr


async def test_dev_with_an_app_that_cannot_be_imported_says_so_and_ends(tmp_path: Path) -> None:
    assert "The app 'no_such_shop:app' cannot be imported" in await _refused(
        tmp_path, "no_such_shop:app"
    )
    (tmp_path / "shop.py").write_text(SHOP + "1 / 0\n")
    broken = await _refused(tmp_path, "shop:app")
    assert 'shop.py", line ' in broken
    assert "The app 'shop:app' cannot be imported: ZeroDivisionError" in broken
    assert not (tmp_path / ".warrener").exists(), "no server was started for them"


async def test_dev_leaves_ports_that_are_taken_to_those_who_have_them(tmp_path: Path) -> None:
    [mine] = free_ports(1)
    ports = [mine, *(port for port in (5672, 6379) if is_free(port))]
    held = [socket.create_server(("127.0.0.1", port)) for port in ports]
    try:
        (tmp_path / "shop.py").write_text(SHOP)
        taken = await _refused(tmp_path, "shop:app", "--port", str(mine))
        assert f"port {mine} on 127.0.0.1 is taken: choose another --port" in taken
        async with _dev(tmp_path) as dev:
            await _is_found_from(tmp_path)
            assert "port 5672 is taken: RabbitMQ gets " in dev.it.log
            assert "port 6379 is taken: Redis gets " in dev.it.log
            assert f"  export WARRENER_AMQP_URL={dev.url_of('RabbitMQ')}" in dev.it.log
            assert f"  export WARRENER_REDIS_URL={dev.url_of('Redis')}" in dev.it.log
    finally:
        for server in held:
            server.close()
