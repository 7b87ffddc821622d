"""Random nested workflows end as a small reference interpreter says, whatever is delivered twice, and
wherever the worker dies."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from warrener import Retry, Settings, Warrener, WorkflowFailed, WorkflowHandle, chain, group
from warrener.canvas import Step, Workflow

from .workflow_lives import Fuse, Lives

app = Warrener(settings=Settings())
REPAIRED: list[bool] = []


@app.task
async def first(tag: int) -> Any:
    return [tag]


@app.task
async def later(came: Any, tag: int) -> Any:
    return [tag, came]


@app.task(retry=Retry(0))
async def breaks(came: Any, tag: int) -> Any:
    if not REPAIRED:
        raise ValueError(tag)
    return [tag, came]


# What workflows are made of, as data ------------------------------------------------------------


@dataclass(frozen=True)
class Leaf:
    tag: int
    takes: bool
    breaks: bool


@dataclass(frozen=True)
class Row:
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Side:
    parts: tuple[Any, ...]
    keeps_errors: bool


def trees(errors_as_values: bool) -> st.SearchStrategy[Any]:
    leaves = st.builds(
        Leaf, st.integers(0, 99), st.booleans(), st.sampled_from([False, False, False, True])
    )
    modes = st.booleans() if errors_as_values else st.just(False)

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
        some = st.lists(inner, max_size=3).map(tuple)
        return st.builds(Row, parts) | st.builds(Side, some, modes)

    return deeper(st.recursive(leaves, deeper, max_leaves=8))


def drawn(tree: Any, comes: bool) -> Step[Any, Any]:
    """The workflow of this tree. `comes`: something comes before it."""
    match tree:
        case Leaf(tag, takes, breaks_):
            takes = takes and comes
            task: Any = breaks if breaks_ else later
            if takes:
                return task.s(tag=tag)  # type: ignore[no-any-return]
            return task.si(None, tag) if breaks_ else first.si(tag)
        case Row(parts):
            return chain(*(drawn(part, comes or n > 0) for n, part in enumerate(parts)))
        case Side(parts, keeps_errors):
            mode: Any = "continue" if keeps_errors else "fail"
            return group([drawn(part, comes) for part in parts], on_error=mode)
    raise AssertionError(tree)


class Failure(Exception):
    """What the interpreter comes to."""


ERROR = {"error": "…"}


def interpreted(tree: Any, comes: bool, value: Any, repaired: bool) -> Any:
    """What this tree gives. Raises Failure."""
    match tree:
        case Leaf(tag, takes, breaks_):
            if breaks_ and not repaired:
                raise Failure
            takes = takes and comes
            return [tag, value] if takes else [tag, None] if breaks_ else [tag]
        case Row(parts):
            for n, part in enumerate(parts):
                value = interpreted(part, comes or n > 0, value, repaired)
            return value
        case Side(parts, keeps_errors):
            values = []
            for part in parts:
                try:
                    values.append(interpreted(part, comes, value, repaired))
                except Failure:
                    if not keeps_errors:
                        raise
                    values.append(ERROR)
            return values
    raise AssertionError(tree)


def without_words(value: Any) -> Any:
    """A result, its errors without what they say."""
    if isinstance(value, dict):
        assert value["error"]["type"] == "ValueError", value
        return ERROR
    return [without_words(one) for one in value] if isinstance(value, list) else value


async def outcome(handle: WorkflowHandle[Any]) -> Any:
    try:
        return without_words(await handle.result(0))
    except WorkflowFailed:
        return "failed"


def expected(tree: Any, repaired: bool) -> Any:
    with contextlib.suppress(Failure):
        return interpreted(tree, False, None, repaired)
    return "failed"


crashes = st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=3)
"""At which step a life ends, and whether before it or after."""


async def ends_as_said(tree: Any, seed: int, doubles: float, ends: list[tuple[int, bool]]) -> None:
    """Whatever is delivered twice, and wherever a life ends, it ends as the interpreter says."""
    REPAIRED.clear()
    async with Lives(app, seed, doubles) as lives:
        flow = drawn(tree, False)
        assert isinstance(flow, Workflow)
        handle = await app.start(flow)
        await lives.to_the_end(*(Fuse(at, after=after) for at, after in ends))
        lives.light(Fuse())
        assert await outcome(handle) == expected(tree, False)


async def ends_as_if_repaired(
    tree: Any, seed: int, doubles: float, ends: list[tuple[int, bool]]
) -> None:
    """What failed is repaired and replayed: it ends as if nothing had failed."""
    REPAIRED.clear()
    async with Lives(app, seed, doubles) as lives:
        flow = drawn(tree, False)
        assert isinstance(flow, Workflow)
        handle = await app.start(flow)
        await lives.to_the_end()
        lives.light(Fuse())
        assert await outcome(handle) == expected(tree, False)
        REPAIRED.append(True)
        await lives.replay()
        await lives.to_the_end(*(Fuse(at, after=after) for at, after in ends))
        lives.light(Fuse())
        assert await outcome(handle) == expected(tree, True)
        status = await handle.status()
        assert status.done == status.total


@settings(max_examples=100)
@given(trees(True), st.integers(0, 99), st.sampled_from([0.0, 0.3]), crashes)
async def test_it_ends_as_the_interpreter_says(
    tree: Any, seed: int, doubles: float, ends: list[tuple[int, bool]]
) -> None:
    await ends_as_said(tree, seed, doubles, ends)


@settings(max_examples=60)
@given(trees(False), st.integers(0, 99), st.sampled_from([0.0, 0.3]), crashes)
async def test_repaired_and_replayed_it_ends_as_if_nothing_had_failed(
    tree: Any, seed: int, doubles: float, ends: list[tuple[int, bool]]
) -> None:
    await ends_as_if_repaired(tree, seed, doubles, ends)
