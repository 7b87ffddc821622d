"""Importing an app: an error says where in the user's own files it broke."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from warrener import AppImportError, ConfigurationError, DuplicateTask, Warrener
from warrener.imports import users_traceback
from warrener.loading import load_app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, from which apps are imported; its modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(path: str = "corner:app") -> AppImportError:
    with pytest.raises(AppImportError) as caught:
        load_app(path)
    return caught.value


def test_a_module_that_is_not_there_has_no_traceback() -> None:
    error = refused("no_such_corner:app")
    assert "cannot be imported: No module named 'no_such_corner'. Give it as module" in str(error)
    assert users_traceback(error) == ""


@pytest.mark.parametrize(
    "line, said",
    [
        ("1 / 0", "ZeroDivisionError: division by zero (corner.py, line 2)"),
        ("import requestz", "No module named 'requestz' (corner.py, line 2)"),
        ("from os import nothing", "cannot import name 'nothing' from 'os'"),
        ("raise RuntimeError", "RuntimeError (corner.py, line 2)"),
        ("raise SystemExit(3)", "SystemExit: 3 (corner.py, line 2)"),
        ("import json; json.loads('{')", "(char 1) (corner.py, line 2)"),
        ("1 +", "SyntaxError: invalid syntax (corner.py, line 2)"),
    ],
)
def test_what_breaks_in_it_is_named_with_its_line(folder: Path, line: str, said: str) -> None:
    (folder / "corner.py").write_text(f"from warrener import Warrener\n{line}\n")
    error = refused()
    assert str(error).startswith("The app 'corner:app' cannot be imported: ")
    assert said in str(error)
    assert 'Mend it, and try `python -c "import corner"`.' in str(error)
    shown = users_traceback(error)
    assert shown.startswith("Traceback") or "SyntaxError" in shown
    assert "importlib" not in shown
    assert "corner.py" in shown


def test_it_is_the_last_line_of_the_users_own(folder: Path) -> None:
    (folder / "corner.py").write_text("import shelf\n")
    (folder / "shelf.py").write_text("\ndef fill():\n    int('x')\n\nfill()\n")
    error = refused()
    assert "ValueError: invalid literal for int() with base 10: 'x' (shelf.py, line 3)" in str(
        error
    )
    shown = users_traceback(error)
    assert shown.index("corner.py") < shown.index("shelf.py")


def test_modules_that_an_app_includes_are_imported_the_same_way(folder: Path) -> None:
    (folder / "shelf.py").write_text("1 / 0\n")
    with pytest.raises(AppImportError, match=r"'shelf' .*ZeroDivisionError.*\(shelf\.py, line 1\)"):
        Warrener(include=["shelf"]).tasks  # noqa: B018


def test_warreners_own_errors_say_enough(folder: Path) -> None:
    task = "app.task(name='t')(lambda: None)\n"
    (folder / "corner.py").write_text(
        f"from warrener import Warrener\napp = Warrener()\n{2 * task}"
    )
    with pytest.raises(DuplicateTask) as caught:
        load_app("corner:app")
    lines = users_traceback(caught.value).splitlines()
    assert lines[0].startswith("Traceback")
    assert 'corner.py", line 4' in lines[1], "their own line first, without the way there"
    (folder / "till.py").write_text("from warrener import Warrener\nWarrener(beat='x')\n")
    with pytest.raises(ConfigurationError, match="beat") as unfit:
        load_app("till:app")
    assert users_traceback(unfit.value) == ""


def test_an_attribute_that_is_not_there_or_is_no_app(folder: Path) -> None:
    (folder / "corner.py").write_text("app = 1\n")
    assert "it is a int, not a Warrener" in str(refused())
    assert "has no attribute 'shop'" in str(refused("corner:shop"))
