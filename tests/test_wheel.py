"""The wheel alone: what `pip install warrener` gives, and what it says when an extra is needed."""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator, Set
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(target), str(ROOT)])
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and the core's dependencies only."""
    return environment(tmp_path_factory.mktemp("core"), wheel, requirements_of("warrener"))


@pytest.fixture(scope="module")
def core_and_pytest(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for somebody who has pytest for tests of something else."""
    wanted = [*requirements_of("warrener"), Requirement("pytest")]
    return environment(tmp_path_factory.mktemp("pytest"), wheel, wanted)


@pytest.fixture(scope="module")
def with_worker(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install 'warrener[worker]'` gives."""
    return environment(
        tmp_path_factory.mktemp("worker"), wheel, requirements_of("warrener", {"worker"})
    )


def environment(home: Path, wheel: Path, wanted: Iterable[Requirement]) -> Path:
    """Make an environment with the wheel and what it needs; its directory of programs.

    The dependencies are linked from the running environment, which has the locked versions: that
    takes a second and no network.
    """
    venv.create(home, symlinks=True, with_pip=False)
    packages = next(home.glob("lib/python3*/site-packages"))
    for distribution in distributions(wanted):
        for name in top_level(distribution):
            (packages / name).symlink_to(str(distribution.locate_file(name)))
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run([*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)])
    return home / "bin"


def test_the_core_works_away_from_the_checkout(core: Path, tmp_path: Path) -> None:
    code = "from warrener import Warrener; import warrener; print(warrener.__file__)"
    where = run([str(core / "python"), "-c", code], cwd=tmp_path).strip()
    assert Path(where).is_relative_to(core.parent)


@pytest.mark.parametrize("module", ["fastapi", "typer", "rich", "uvicorn", "pytest"])
def test_the_core_brings_no_extra(core: Path, tmp_path: Path, module: str) -> None:
    done = call([str(core / "python"), "-c", f"import {module}"], cwd=tmp_path)
    assert f"No module named '{module}'" in done.stderr


def test_the_command_without_its_extra_names_the_remedy(core: Path, tmp_path: Path) -> None:
    done = call([str(core / "warrener"), "status"], cwd=tmp_path)
    assert done.returncode != 0
    assert "warrener[worker]" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_who_has_pytest_but_not_the_extra_can_test_something_else(
    core_and_pytest: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_else.py").write_text("def test_else() -> None: ...\n")
    said = run([str(core_and_pytest / "python"), "-m", "pytest", "-q"], cwd=tmp_path)
    assert "1 passed" in said


def test_the_fixture_without_its_extra_names_the_remedy(
    core_and_pytest: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_app.py").write_text("async def test_app(warrener_test): ...\n")
    done = call([str(core_and_pytest / "python"), "-m", "pytest", "-q"], cwd=tmp_path)
    assert "the fixture warrener_test needs pytest_asyncio, fakeredis, lupa" in done.stdout
    assert "pip install 'warrener[testing]'" in done.stdout
    assert "1 error" in done.stdout


def test_the_command_works_with_its_extra(with_worker: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from warrener import Warrener\napp = Warrener()\n"
        "@app.task(queue='shop.mail')\ndef mail(to: str) -> None: ...\n"
    )
    command = [str(with_worker / "warrener"), "topology", "show", "--app", "shop:app"]
    assert "shop.mail.dead" in run(command, cwd=tmp_path)


def test_the_wheel_says_that_it_is_typed(core: Path) -> None:
    packages = next(core.parent.glob("lib/python3*/site-packages"))
    for package in ("warrener", "warrener_workers", "warrener_api"):
        assert (packages / package / "py.typed").is_file(), package


def distributions(wanted: Iterable[Requirement]) -> list[metadata.Distribution]:
    """What these need, directly or not, of the running environment."""
    found: dict[str, metadata.Distribution] = {}
    left = list(wanted)
    for requirement in left:  # grows while it is walked
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found:
            continue
        found[name] = metadata.distribution(name)
        left += [r for r in parse(found[name].requires) if applies(r, requirement.extras)]
    return list(found.values())


def requirements_of(name: str, extras: Set[str] = frozenset()) -> list[Requirement]:
    return [r for r in parse(metadata.requires(name)) if applies(r, extras)]


def parse(requirements: list[str] | None) -> Iterator[Requirement]:
    return (Requirement(text) for text in requirements or [])


def applies(requirement: Requirement, extras: Set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": e}) for e in ("", *extras))


def top_level(distribution: metadata.Distribution) -> set[str]:
    """The files and directories of its own right under site-packages."""
    names = {file.parts[0] for file in distribution.files or []}
    return names - {"..", "__pycache__"}


def call(command: list[str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # Neither the running checkout nor the running pytest must answer in the wheel's place.
    ours = ("PYTHON", "PYTEST")
    settings = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        command, cwd=cwd, env=settings, check=False, capture_output=True, text=True, timeout=60
    )


def run(command: list[str], cwd: Path = ROOT) -> str:
    done = call(command, cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
