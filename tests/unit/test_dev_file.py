"""The file by which commands find the `warrener dev` of their folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from warrener_workers.cli.dev_file import adopt, is_left_behind, published

FOUND = {
    "WARRENER_AMQP_URL": "amqp://127.0.0.1:1/",
    "WARRENER_REDIS_URL": "redis://127.0.0.1:2/0",
    "WARRENER_APP": "shop:app",
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FOUND:
        monkeypatch.setenv(name, "")  # so that it is as before again, whatever the test does
        monkeypatch.delenv(name)
    return tmp_path / "dev.json"


def environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name in FOUND}


def test_a_running_dev_is_found_and_one_that_has_ended_leaves_nothing(file: Path) -> None:
    with published(file, FOUND):
        assert not is_left_behind(file)
        adopt(file)
        assert environment() == FOUND
    assert list(file.parent.iterdir()) == []
    assert not is_left_behind(file)


@pytest.mark.parametrize("name", ["WARRENER_AMQP_URL", "WARRENER_REDIS_URL"])
def test_an_environment_that_names_a_server_counts_alone(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "mine")
    with published(file, FOUND):
        adopt(file)
    assert environment() == {name: "mine"}


def test_an_app_of_the_environment_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARRENER_APP", "other:app")
    with published(file, FOUND):
        adopt(file)
    assert environment() == {**FOUND, "WARRENER_APP": "other:app"}


def test_what_a_killed_dev_left_behind_is_not_used(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os, sys; from pathlib import Path; from warrener_workers.cli import dev_file\n"
    code += "with dev_file.published(Path(sys.argv[1]), {'WARRENER_APP': 'gone:app'}):\n"
    code += "    os.kill(os.getpid(), 9)\n"
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == -9
    assert file.exists()
    adopt(file)
    assert environment() == {}
    assert is_left_behind(file)
    with published(file, FOUND):
        assert not is_left_behind(file), "a new one takes its place"
        adopt(file)
        assert environment() == FOUND
    monkeypatch.setenv("WARRENER_AMQP_URL", "mine")
    file.touch()
    assert not is_left_behind(file), "nobody would have used it"


def test_no_file_and_one_that_cannot_be_read_are_no_error(file: Path) -> None:
    adopt(file)
    with published(file, FOUND):
        file.write_text("{")
        adopt(file)
    assert environment() == {}
