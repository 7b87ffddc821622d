"""docs/guarantees.md names a test for what it says, and those tests exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chaos.entry import FLAWS
from chaos.plan import KINDS
from warrener import Settings

from .blocks import DOCS, sections, text

PAGE = "guarantees.md"
NAMED = sorted(set(re.findall(r"`(test_\w+)::(test_\w+)`", text(PAGE))))


def _section(title: str) -> str:
    [found] = [part for part in sections(PAGE) if part.startswith(f"{title}\n")]
    return found


@pytest.mark.parametrize("file, test", NAMED)
def test_every_named_test_exists(file: str, test: str) -> None:
    texts = [path.read_text() for path in Path(__file__).parents[1].rglob(f"{file}.py")]
    assert any(re.search(rf"^(async )?def {test}\(", text, re.MULTILINE) for text in texts)


def test_every_line_names_a_test() -> None:
    said = _section("What is promised") + _section("What is not promised")
    rows = [row for row in said.splitlines() if re.match(r"\| [^|]*\w", row)]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row] == ["| | Shown by |"] * rows.count(
        "| | Shown by |"
    )


def test_every_fault_of_chaos_is_in_the_table() -> None:
    rows = _section("Faults, and what one sees").splitlines()
    shown = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[-1])}
    assert shown >= set(KINDS)


def test_what_can_be_switched_off_is_named() -> None:
    assert [flaw for flaw in FLAWS if flaw not in _section("How `./dev chaos` shows it")] == []


def test_files_and_numbers_are_right() -> None:
    page = text(PAGE)
    for file in re.findall(r"`(tests/[\w/]+\.py)`", page):
        assert (DOCS.parent / file).exists(), file
    settings = Settings()
    assert settings.presence_lifetime == 9
    assert f"`WARRENER_NEIGHBOUR_GRACE` ({settings.neighbour_grace:g} s)" in page
    assert f"{settings.dedupe_ttl / 86_400:g} days (`WARRENER_DEDUPE_TTL`)" in page
