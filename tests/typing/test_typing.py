"""mypy and pyright agree with what is promised about `send`, `s`, `options` and `result`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
Found = dict[Path, dict[int, str]]
"""The errors of each file, by line."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a checker of this interpreter's environment in the checkout, with the project's settings."""
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def mypy(*files: Path) -> Found:
    """What mypy finds."""
    done = run("mypy", "--strict", "--output=json", *map(str, files))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Found = {file: {} for file in files}
    for line in done.stdout.splitlines():
        if line.startswith("{") and (fault := json.loads(line))["severity"] == "error":
            found[ROOT / fault["file"]][fault["line"]] = fault["message"]
    return found


def pyright(*files: Path) -> Found:
    """What pyright finds."""
    options = ["--outputjson", "--pythonpath", sys.executable]
    done = run("pyright", *options, *map(str, files))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files)
    found: Found = {file: {} for file in files}
    for fault in report["generalDiagnostics"]:
        if fault["severity"] == "error":
            line = fault["range"]["start"]["line"] + 1
            found[Path(fault["file"])][line] = fault["message"]
    return found


PASSING, FAILING = HERE / "passing.py", HERE / "failing.py"


def marked() -> set[int]:
    """The lines that must be errors."""
    lines = FAILING.read_text("utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("  # error")}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_checker_accepts_what_fits_and_refuses_just_what_does_not(
    checker: Callable[..., Found],
) -> None:
    found = checker(PASSING, FAILING)
    assert found[PASSING] == {}
    assert len(marked()) > 40
    errors = found[FAILING]
    assert {line: text for line, text in errors.items() if line not in marked()} == {}
    assert marked() - errors.keys() == set(), "lines that should have been refused"
