"""Commands, options, settings and links that the pages for operators name are those that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from warrener import Settings
from warrener_workers.cli.commands import app

from .blocks import DOCS

ROOT = DOCS.parent
PAGES = ("README.md", "CHANGELOG.md", *(f"docs/{page.name}" for page in sorted(DOCS.glob("*.md"))))
GUIDE = "docs/operating.md"
OF_COMMANDS = {"WARRENER_APP", "WARRENER_UNPROTECTED", "WARRENER_MANAGEMENT_URL"} | {
    f"WARRENER_METRICS_{part}" for part in ("PORT", "HOST")
}
"""Variables that are no settings of the app; what reads them is in the command line and the API."""


def text(page: str) -> str:
    return (ROOT / page).read_text()


def commands(page: str) -> Iterator[str]:
    """What follows `warrener ` in sessions and in code within a line."""
    written = text(page)
    yield from re.findall(r"^\$ warrener (.+?)(?:  +#.*)?$", written, re.MULTILINE)
    prose = re.sub(r"^```.*?^```$", "", written, flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`]+)`", prose):
        if code.startswith("warrener "):
            yield " ".join(code.split()).removeprefix("warrener ")


def faults(line: str) -> list[str]:
    """What of a command line the program would not know."""
    command: Any = get_command(app)
    words = shlex.split(line.replace("…", ""))
    while isinstance(command, TyperGroup) and words:
        names, rest = words[0].split("|"), words[1:]  # `schedules add|change`
        unknown = [name for name in names if name not in command.commands]
        if unknown:
            return [f"no command {unknown[0]}"]
        command, words = command.commands[names[0]], rest

    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    options = [
        word.partition("=")[0].rstrip(",") for word in words if re.match("--?[a-zA-Z]", word)
    ]
    return [f"no option {option}" for option in options if option not in known | {"--help"}]


@pytest.mark.parametrize("page", PAGES)
def test_each_command_and_option_exists(page: str) -> None:
    wrong = {line: found for line in commands(page) if (found := faults(line))}
    assert not wrong


def test_what_does_not_exist_is_seen() -> None:
    assert faults("dead replay shop.till --limit 10 --rate 5") == []
    assert faults("dead repeat shop.till") == ["no command repeat"]
    assert faults("queues --watch --wait") == ["no option --wait"]
    assert len(list(commands(GUIDE))) > 100


def test_the_guide_names_every_setting_and_no_other() -> None:
    fields = {f"WARRENER_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"WARRENER_[A-Z_]+[A-Z]", text(GUIDE)))
    assert named == fields | OF_COMMANDS


def test_its_defaults_are_those_of_the_settings() -> None:
    table = re.findall(r"^\| (?:● )?(`WARRENER.*?) \| (.*?) \|", text(GUIDE), re.MULTILINE)
    seen = 0
    for names, shown in table:
        for name in re.findall(r"WARRENER_(\w+)", names):
            field = Settings.model_fields.get(name.lower())
            default = field.default if field else None
            if isinstance(default, int | float) and not isinstance(default, bool):
                number = re.match(r"[\d,.]+\d|\d", shown)
                assert number, (name, shown)
                assert float(number[0].replace(",", "")) == default, name
                seen += 1
    assert seen == 14


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_something(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        if target.startswith("http"):
            continue
        name, _, heading = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        if heading:
            assert heading in headings(file.read_text()), target


def headings(written: str) -> set[str]:
    """The anchors of a page's headings."""
    return {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in written.splitlines()
        if line.startswith("#")
    }
