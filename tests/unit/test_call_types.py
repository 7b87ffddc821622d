"""Calls: arguments and results keep their types, and their JSON Schema says so."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, Field, HttpUrl
from typing_extensions import TypedDict

from warrener import InvalidArguments, TaskSignatureError
from warrener.calls import CallSchema, decode_body


class Colour(Enum):
    RED = "red"


class Page(BaseModel):
    url: HttpUrl
    seen: datetime
    links: set[str] = set()


@dataclass
class Point:
    x: int
    y: int = 0


class Row(TypedDict):
    name: str


NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
PAGE = Page(url=HttpUrl("https://a.example/"), seen=NOW, links={"b"})
ID = uuid.UUID("01890000-0000-7000-8000-000000000000")

TYPED = [
    (datetime, NOW, "2026-05-01T12:30:00Z"),
    (date, NOW.date(), "2026-05-01"),
    (timedelta, timedelta(seconds=90), "PT1M30S"),
    (uuid.UUID, ID, str(ID)),
    (Decimal, Decimal("1.10"), "1.10"),
    (HttpUrl, HttpUrl("https://a.example/"), "https://a.example/"),
    (Path, Path("/tmp/a"), "/tmp/a"),
    (Colour, Colour.RED, "red"),
    (Literal["a", "b"], "a", "a"),
    (set[int], {1}, [1]),
    (frozenset[str], frozenset({"a"}), ["a"]),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (dict[int, str], {1: "a"}, {"1": "a"}),
    (list[Page], [PAGE], [PAGE.model_dump(mode="json")]),
    (Page | None, PAGE, PAGE.model_dump(mode="json")),
    (Page | None, None, None),
    (Point, Point(1, 2), {"x": 1, "y": 2}),
    (Row, {"name": "a"}, {"name": "a"}),
    (Annotated[int, Field(gt=0)], 1, 1),
    (bytes, b"abc", "abc"),
    (Any, [1, {"a": None}], [1, {"a": None}]),
]
typed = pytest.mark.parametrize("hint, value, json", TYPED, ids=lambda value: str(value)[:30])


def schema_of(hint: Any) -> CallSchema:
    def function(value): ...  # type: ignore[no-untyped-def]

    function.__annotations__ = {"value": hint, "return": hint}
    return CallSchema("t", function)


@typed
def test_an_argument_converts_from_python_and_from_json_and_arrives_as_its_type(
    hint: Any, value: Any, json: Any
) -> None:
    schema = schema_of(hint)
    bound = schema.bind([value], {})
    assert schema.bind_json([json], {}) == bound
    args, kwargs = decode_body(schema.encode(bound))
    assert kwargs == {"value": json}
    arrived = schema.bind_json(args, kwargs).arguments["value"]
    assert arrived == value
    assert type(arrived) is type(value)


@typed
def test_a_result_comes_back_as_its_type(hint: Any, value: Any, json: Any) -> None:
    schema = schema_of(hint)
    text = schema.encode_result(value)
    assert orjson.loads(text) == json
    back = schema.decode_result(orjson.loads(text))
    assert back == value
    assert type(back) is type(value)


@typed
def test_the_json_schemas_take_what_is_sent(hint: Any, value: Any, json: Any) -> None:
    schema = schema_of(hint)
    Draft202012Validator(schema.json_schema).validate({"value": json})
    Draft202012Validator(schema.result_schema).validate(json)


@given(st.integers())
@example(2**64)
@example(10**30 + 1)
def test_a_whole_number_arrives_exactly_or_is_refused_where_it_is_sent(number: int) -> None:
    for schema in (schema_of(int), schema_of(Any)):
        try:
            body = schema.encode(schema.bind([number], {}))
        except InvalidArguments:
            continue
        assert schema.bind_json(*decode_body(body)).arguments == {"value": number}


@given(st.floats())
@example(float("nan"))
@example(float("inf"))
def test_a_float_arrives_exactly_or_is_refused_where_it_is_sent(number: float) -> None:
    schema = schema_of(float)
    try:
        body = schema.encode(schema.bind([number], {}))
    except InvalidArguments:
        return
    arrived = schema.bind_json(*decode_body(body)).arguments["value"]
    assert arrived == pytest.approx(number, rel=0, abs=0, nan_ok=True)


@given(st.floats())
@example(float("nan"))
@example(float("-inf"))
def test_a_float_result_comes_back_exactly_or_is_refused_by_the_worker(number: float) -> None:
    schema = schema_of(float)
    try:
        text = schema.encode_result(number)
    except ValueError:
        return
    back = schema.decode_result(orjson.loads(text))
    assert back == pytest.approx(number, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("value", ["\ud800"])
def test_values_that_json_text_cannot_hold_are_invalid_arguments(value: Any) -> None:
    # Not TypeError: Python's own json module lets both through, so an HTTP request can bring them.
    with pytest.raises(InvalidArguments):
        schema_of(int).bind_json([value], {})


def test_a_result_that_does_not_fit_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="valid integer"):
        schema_of(int).encode_result("many")
    with pytest.raises(ValueError, match="serialize"):
        schema_of(Any).encode_result(object())


def test_none_is_the_result_of_a_task_without_one() -> None:
    def silent() -> None: ...
    def unsaid(): ...  # type: ignore[no-untyped-def]

    for function in (silent, unsaid):
        schema = CallSchema("t", function)
        assert schema.encode_result(None) == b"null"
        assert schema.decode_result(None) is None
    with pytest.raises(ValueError, match="None"):
        CallSchema("t", silent).encode_result(5)


def test_a_parameter_without_a_type_takes_anything() -> None:
    def take(value): ...  # type: ignore[no-untyped-def]

    schema = CallSchema("t", take)
    assert schema.bind_json([{"a": [1]}], {}).arguments == {"value": {"a": [1]}}


class Opaque:
    """JSON cannot carry it, and pydantic does not know it."""


@pytest.mark.parametrize("hint", [Opaque, list[Opaque], Callable[[], int]])
@pytest.mark.parametrize("place", ["value", "return"])
def test_a_type_that_json_cannot_carry_is_refused_when_the_worker_starts(
    hint: Any, place: str
) -> None:
    def function(value): ...  # type: ignore[no-untyped-def]

    function.__annotations__ = {place: hint}
    with pytest.raises(TaskSignatureError) as refused:
        CallSchema("shop.task", function).check()
    assert "JSON cannot carry" in str(refused.value)
    assert "'shop.task'" in str(refused.value)


REDS = frozenset({Colour.RED})


def annotated(
    url: HttpUrl, depth: Annotated[int, Field(ge=1)] = 3, *, colours: frozenset[Colour] = REDS
) -> None: ...


def test_the_json_schema_says_types_defaults_and_what_is_required() -> None:
    schema = CallSchema("shop.scan", annotated).json_schema
    assert schema["title"] == "shop.scan"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["url"]
    assert schema["properties"]["url"]["format"] == "uri"
    assert schema["properties"]["depth"]["default"] == 3
    assert schema["properties"]["depth"]["minimum"] == 1
    assert schema["properties"]["colours"]["default"] == ["red"]
    Draft202012Validator.check_schema(schema)


NOTHING = object()


def odd_default(key: Any = NOTHING) -> None: ...
def raw_default(key: bytes = b"\xff") -> None: ...


@pytest.mark.parametrize("function", [odd_default, raw_default])
def test_a_default_that_json_cannot_carry_is_no_obstacle(function: Any) -> None:
    schema = CallSchema("t", function).json_schema
    assert "default" in schema["properties"]["key"]
    assert orjson.dumps(schema)
