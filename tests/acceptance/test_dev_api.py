"""`warrener dev` and its API: one that cannot start, or that ends, is not passed over."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.support import PATIENCE

from .commands import Done
from .place import clean_environment
from .test_dev import SHOP, _dev, _warrener


async def _python(folder: Path, code: str) -> Done:
    """A program of its own, to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        cwd=folder,
        env={**clean_environment(), "WARRENER_APP": "shop:app"},
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        printed, _ = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, printed.decode(), "")


async def test_an_api_that_finds_its_port_taken_ends_dev_even_if_it_reloads(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        crew = "from warrener_workers.cli import crew"
        done = await _python(tmp_path, f"{crew}; crew.Crew('127.0.0.1', {port}, 1).work([], True)")
        alone = await _warrener(tmp_path, "api", "--app", "shop:app", "--port", str(port))
    said = f"the API cannot listen on port {port} of 127.0.0.1: Address already in use."
    assert said in done.stdout
    assert "the API has ended, and so does dev" in done.stdout
    assert done.returncode == 1, "typer's Exit, outside of typer"
    assert alone.returncode == 3, "as docs/errors.md says"
    assert alone.stderr.splitlines() == [
        f"warrener: {said} Choose another --port, or end what has it."
    ]


@pytest.mark.parametrize("lacking", ["fastapi", "uvicorn"])
async def test_dev_without_the_packages_of_the_api_says_so_before_it_starts_anything(
    tmp_path: Path, lacking: str
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    for command in (["dev", "--reload"], ["api"]):
        hide = f"import sys; sys.modules[{lacking!r}] = None; sys.argv = ['warrener', *{command}]"
        done = await _python(tmp_path, f"{hide}; from warrener_workers.cli import main; main()")
        assert done.returncode == 2
        assert "the API needs more packages: pip install 'warrener[api]'" in done.stdout
        assert "Traceback" not in done.stdout
    assert not (tmp_path / ".warrener").exists()


async def test_dev_that_reloads_says_which_process_has_ended(tmp_path: Path) -> None:
    async with _dev(tmp_path, "--reload") as dev:
        [api] = [p for p in dev.family() if "cli api" in " ".join(p.cmdline())]
        api.kill()
        await dev.it.says("the API has ended: it starts again when a .py file changes")
        dev.shop.write_text(SHOP.replace("return 1", "return 2"))
        await dev.it.says(" ready: ", times=4)
        await dev.is_ready()
        assert await dev.version() == 2
