"""The drawings of the design's page, held against what the tools check and what the modules import."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .blocks import DOCS, blocks, sections, text

PAGE = "design.md"


def _section(title: str) -> str:
    [found] = [part for part in sections(PAGE) if part.startswith(f"{title}\n")]
    return found


# The imports -----------------------------------------------------------------------------------------


def _layers_drawn() -> dict[str, list[set[str]]]:
    """The layers of each package, from the top."""
    leaves, drawing = blocks(_section("The imports"))
    assert re.findall(r"\w+/(\w+)|(◄|►)", leaves.text) == [
        ("warrener_workers", ""),
        ("", "►"),
        ("warrener", ""),
        ("", "◄"),
        ("warrener_api", ""),
    ]
    drawn: dict[str, list[set[str]]] = {}
    layers: list[set[str]] = []
    for line in filter(None, drawing.text.splitlines()):
        package, row = line[:22].strip(), line[22:]
        if package:
            layers = drawn[package] = []
        layers.append(set(row.split(" · ")))
    return drawn


def _layers_checked() -> dict[str, list[set[str]]]:
    """The same, as import-linter holds them."""
    contracts: list[dict[str, Any]] = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())[
        "tool"
    ]["importlinter"]["contracts"]
    return {
        contract["containers"][0]: [set(layer.split(" | ")) for layer in contract["layers"]]
        for contract in contracts
        if "containers" in contract
    }


def test_the_imports_are_drawn_as_they_are_checked() -> None:
    assert _layers_drawn() == _layers_checked()


def test_every_module_is_drawn() -> None:
    for package, layers in _layers_drawn().items():
        [folder] = (find_spec(package) or pytest.fail(package)).submodule_search_locations or []
        found = {path.stem for path in Path(folder).iterdir() if path.suffix == ".py"}
        found |= {path.parent.name for path in Path(folder).glob("*/__init__.py")}
        assert set().union(*layers) == found - {"__init__"}, package


# The route of a job ----------------------------------------------------------------------------------

COLUMNS = {"producer": "warrener", "worker: parent": "warrener_workers"}
COLUMNS["worker: child"] = "warrener_workers"


def _route_drawn() -> dict[str, list[str]]:
    """The modules on the way, in order: of the producer, and of a worker with its child."""
    [drawing] = blocks(_section("The route of a job"))
    head, _, *lines = drawing.text.splitlines()
    starts = {head.index(title): package for title, package in COLUMNS.items()}
    route: dict[str, list[str]] = {"warrener": [], "warrener_workers": []}
    for line in lines:
        for start, package in starts.items():
            if name := re.match(r"(?<!\w)[a-z_]+", line[start:]):
                route[package].append(f"{package}.{name[0]}")
    return route


def _imports(module: str) -> Iterator[str]:
    """What a module imports of these packages."""
    spec = find_spec(module)
    assert spec is not None, f"{module} is drawn, and does not exist"
    assert spec.origin is not None, module
    package = module.rpartition(".")[0]
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


JOINED = {
    ("warrener.publishing", "warrener.store"): ["warrener.client"],
    ("warrener_workers.intake", "warrener_workers.child_pool"): [
        "warrener_workers.worker",
        "warrener_workers.parts",
    ],
}
"""Two steps that know nothing of each other, and who join them: each knows the one below it."""


def _follows(first: str, then: str) -> bool:
    """True if one of the two imports the other, or the one that joins them both."""
    if between := JOINED.get((first, then)):
        known = [set(_imports(module)) for module in between]
        below = all(one in above for one, above in zip(between[1:], known, strict=False))
        return below and {first, then} <= set().union(*known)
    return then in _imports(first) or first in _imports(then)


def test_the_route_is_drawn_as_the_modules_know_each_other() -> None:
    route = _route_drawn()
    assert route["warrener"][0] == "warrener.tasks"
    assert len(route["warrener"]) >= 5
    ends = (route["warrener_workers"][0], route["warrener_workers"][-1])
    assert ends == ("warrener_workers.consumer", "warrener_workers.settlement")
    steps = [pair for column in route.values() for pair in pairwise(column)]
    exec_of_the_child = ("warrener_workers.child_pool", "warrener_workers.child")
    assert exec_of_the_child in steps
    lost = [pair for pair in steps if pair != exec_of_the_child and not _follows(*pair)]
    assert lost == []


def test_the_parent_starts_the_child_as_drawn() -> None:
    """No import leads there: it is a process of its own."""
    assert "warrener_workers.child_process" in _imports("warrener_workers.child_pool")
    source = find_spec("warrener_workers.child_process")
    assert source is not None
    assert source.origin is not None
    assert '"warrener_workers.child"' in Path(source.origin).read_text()


def test_settlement_is_the_only_file_of_the_workers_that_acknowledges() -> None:
    spec = find_spec("warrener_workers")
    assert spec is not None
    [folder] = spec.submodule_search_locations or []
    files = {path.stem: path.read_text() for path in Path(folder).rglob("*.py")}
    assert [name for name, source in files.items() if ".acknowledge()" in source] == ["settlement"]


def test_the_lifeline_beats_as_often_as_the_page_says() -> None:
    from warrener_workers.worker import LIFELINE_BEAT

    words = {1: "a byte a second", 4: "four bytes a second", 10: "a byte every tenth of a second"}
    assert words[round(1 / LIFELINE_BEAT)] in text(PAGE)
