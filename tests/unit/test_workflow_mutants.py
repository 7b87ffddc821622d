"""The property of workflows can fail: with one line of a script changed, random workflows end otherwise
than the interpreter says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from warrener import store
from warrener_workers import patience

from .test_workflow_property import crashes, ends_as_if_repaired, ends_as_said, trees

MUTANTS = {
    "a chord's body does not wait for all members": (
        "workflows/advance",
        ">= node(up).count",
        ">= 1",
    ),
    "a result takes no place in its list": (
        "workflows/advance",
        "'r' .. k, value",
        "'r' .. k, 'null'",
    ),
    "a step takes nothing of the one before": (
        "workflows/resolve",
        "input = get('r' .. string.sub(source, 2)) or 'null'",
        "input = 'null'",
    ),
}
OF_REPAIRS = {
    "what failed stays closed once it is repaired": (
        "workflows/advance",
        "recover(k) then",
        "false then",
    ),
}

Property = Callable[[Any, int, float, list[tuple[int, bool]]], Coroutine[Any, Any, None]]


def search(check: Property, errors_as_values: bool, examples: int = 400) -> None:
    """The property on many random workflows, the same each time."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(trees(errors_as_values), st.integers(0, 99), st.sampled_from([0.0, 0.3]), crashes)
    def on_many(tree: Any, seed: int, doubles: float, ends: list[tuple[int, bool]]) -> None:
        asyncio.run(check(tree, seed, doubles, ends))

    on_many()


def mutate(patch: pytest.MonkeyPatch, script: str, old: str, new: str) -> None:
    text = store._SCRIPTS[script]
    assert old in text, "the script has changed: this mutant needs another line"
    mutant = text.replace(old, new)
    patch.setitem(store._SCRIPTS, script, mutant)
    # A script that breaks on what another one wrote is no store that is away.
    patch.setattr(patience, "pauses", lambda: iter((0.0, 0.0)))
    digest = hashlib.sha1(mutant.encode()).hexdigest()
    patch.setitem(store._HASHES, script, digest)


def test_the_search_finds_nothing_where_nothing_is_changed() -> None:
    search(ends_as_said, True, examples=20)
    search(ends_as_if_repaired, False, examples=20)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_rule_is_needed(monkeypatch: pytest.MonkeyPatch, mutant: str) -> None:
    mutate(monkeypatch, *MUTANTS[mutant])
    with pytest.raises(Exception):  # noqa: B017, PT011 — a wrong result, or a script that breaks on it
        search(ends_as_said, True)


@pytest.mark.parametrize("mutant", OF_REPAIRS)
def test_each_rule_of_a_repair_is_needed(monkeypatch: pytest.MonkeyPatch, mutant: str) -> None:
    mutate(monkeypatch, *OF_REPAIRS[mutant])
    with pytest.raises(Exception):  # noqa: B017, PT011
        search(ends_as_if_repaired, False)
