"""Where other RabbitMQs come from, as far as that needs no download."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from tests.brokers import trees

ROOT = Path(__file__).parents[2]


def test_what_other_versions_leave_out_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("dev_program", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev_program", loader)
    assert spec
    program = importlib.util.module_from_spec(spec)
    loader.exec_module(program)
    missing = [file for file in program.not_about_brokers() if not (ROOT / file).is_file()]
    assert not missing


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_run_on_a_version_that_is_not_here_fails_before_its_first_test(cache: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/unit/test_ids.py",
    ]
    env = {**os.environ, "WARRENER_TEST_RABBITMQ": "4.3"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    said = done.stdout + done.stderr
    assert "run `./dev test --rabbitmq 4.3`, which fetches it" in said
    assert "passed" not in said


@pytest.mark.usefixtures("cache")
def test_a_version_that_no_debian_has_is_refused() -> None:
    with pytest.raises(trees.TreeError, match=r"no RabbitMQ 3\.13: choose 3\.10, 4\.0, 4\.3"):
        trees.fetch("3.13")


def _apt_that_says(folder: Path, text: str) -> None:
    script = folder / "apt-get"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\n")
    script.chmod(0o755)


@pytest.mark.usefixtures("cache")
def test_a_machine_without_a_debian_mirror_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _apt_that_says(tmp_path, "Ubuntu|Ubuntu|main|http://ubuntu.example/\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(trees.TreeError, match="apt knows no Debian mirror"):
        trees.fetch("4.3")


@pytest.mark.usefixtures("cache")
def test_the_mirror_is_the_one_that_apt_is_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("# nearest first\nhttp://mirror.example/debian\tpriority:1\nhttp://other/\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    security = "Debian|Debian-Security|main|http://security.example/\n"
    for uri, mirror in [
        ("http://plain.example/debian/", "http://plain.example/debian/"),
        (f"mirror+file:{mirrors}", "http://mirror.example/debian"),
    ]:
        _apt_that_says(tmp_path, f"{security}Debian|Debian|main|{uri}\n")
        assert trees._mirror() == mirror


def test_what_older_packages_have_beside_usr_is_put_under_it(tmp_path: Path) -> None:
    for name in ("bin/sh", "usr/bin/env", "lib64/ld.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "lib").symlink_to("usr/lib")
    trees._merge(tmp_path)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    merged = ["usr", "usr/bin", "usr/bin/env", "usr/bin/sh", "usr/lib64", "usr/lib64/ld.so"]
    assert found == ["lib", *merged]
