"""Arguments and results nested deeply: what is accepted can be read by whoever gets it."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from warrener import InvalidArguments, Warrener
from warrener.calls import decode_body, encode_unchecked
from warrener.json_text import DEEPEST, read_json

from .running import failed, succeeded

DEPTHS = [DEEPEST - 2, DEEPEST - 1, DEEPEST, 253, 255, 300, 1000, 5000]
"""A message adds two levels to an argument's own."""

app = Warrener()


class Box(BaseModel):
    """A model within itself."""

    inside: Box | None = None


@app.task
def takes_any(x: Any) -> None: ...


@app.task
def takes_lists(x: list[Any]) -> None: ...


@app.task
def takes_json(x: JsonValue) -> None: ...


@app.task
def takes_boxes(x: Box) -> None: ...


def lists(depth: int) -> Any:
    innermost: Any = 1
    return reduce(lambda inner, _: [inner], range(depth), innermost)


def boxes(depth: int) -> Any:
    innermost: Any = None
    return reduce(lambda inner, _: {"inside": inner}, range(depth), innermost)


EVERY = [(takes_any, lists), (takes_lists, lists), (takes_json, lists), (takes_boxes, boxes)]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("task, nested", EVERY)
@pytest.mark.parametrize("how", ["bind", "bind_json"])
def test_what_is_encoded_can_be_read_and_the_rest_is_refused(
    task: Any, nested: Any, how: str, depth: int
) -> None:
    value = nested(depth)
    bind = getattr(task.schema, how)
    if depth <= DEEPEST - 2:
        body = task.schema.encode(bind([value], {}))
        assert task.schema.encode(task.schema.bind_json(*decode_body(body))) == body
        return
    with pytest.raises(InvalidArguments) as refused:
        task.schema.encode(bind([value], {}))
    assert f"nested more than {DEEPEST} levels deep" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_same_for_a_task_that_is_not_known_here(depth: int) -> None:
    if depth <= DEEPEST - 2:
        assert decode_body(encode_unchecked([lists(depth)], {}, "t"))[0] == [lists(depth)]
        return
    with pytest.raises(InvalidArguments, match=f"nested more than {DEEPEST} levels deep"):
        encode_unchecked([lists(depth)], {}, "t")


@pytest.mark.parametrize("depth", [199, 200])
async def test_a_result_that_can_be_read_is_a_result(depth: int) -> None:
    def deep() -> Any:
        return lists(depth)

    assert await succeeded(deep) == lists(depth)


@pytest.mark.parametrize("depth", [201, 253, 300, 1000])
async def test_a_result_that_nobody_could_read_is_a_failure(depth: int) -> None:
    def deep() -> Any:
        return lists(depth)

    assert (await failed(deep)).error.type == "InvalidResult"


def test_broad_is_not_deep() -> None:
    value = [[number] for number in range(10 * DEEPEST)]
    body = takes_any.schema.encode(takes_any.schema.bind([value], {}))
    assert decode_body(body)[1] == {"x": value}


def test_a_list_within_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for task in (takes_any, takes_lists, takes_json):
        with pytest.raises(InvalidArguments):
            task.schema.encode(task.schema.bind([loop], {}))


def test_json_that_is_too_deep_says_so() -> None:
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} levels deep"):
        read_json("[" * 5000 + "]" * 5000)
