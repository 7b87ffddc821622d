"""Calls: arguments by position and name, and what a message's body may hold."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from warrener import InvalidArguments, Job, TaskSignatureError
from warrener.calls import MOST_PROBLEMS, CallSchema, decode_body, encode_unchecked
from warrener.json_text import OutOfRange, read_json


def charge(account: str, amount: int, currency: str = "EUR", *, note: str = "") -> None: ...


CHARGE = CallSchema("shop.charge", charge)


@pytest.mark.parametrize(
    "args, kwargs",
    [
        (["a", 5], {}),
        (["a"], {"amount": 5}),
        ([], {"amount": 5, "account": "a"}),
        ((), {"account": "a", "amount": "5"}),
    ],
)
def test_arguments_bind_by_position_and_by_name(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert CHARGE.bind(args, kwargs).arguments == {"account": "a", "amount": 5}
    assert CHARGE.bind_json(args, kwargs).arguments == {"account": "a", "amount": 5}


def test_defaults_are_left_to_the_function() -> None:
    assert CHARGE.bind(["a", 5, "USD"], {"note": "n"}).arguments == {
        "account": "a",
        "amount": 5,
        "currency": "USD",
        "note": "n",
    }
    assert CHARGE.encode(CHARGE.bind(["a", 5], {})) == (
        b'{"args":[],"kwargs":{"account":"a","amount":5}}'
    )


@pytest.mark.parametrize(
    "args, kwargs, reason",
    [
        (["a"], {}, "amount: Field required"),
        ([], {}, "account: Field required; amount: Field required"),
        (["a", 5], {"colour": 1}, "colour: Extra inputs are not permitted"),
        (["a", 5], {"account": "b"}, "account was given twice"),
        (["a", 5], {"amount": 1, "account": "b"}, "account, amount was given twice"),
        (["a", 5, "EUR", "n"], {}, "4 positional arguments were given, and it takes 3"),
        (["a", "many"], {}, "amount: Input should be a valid integer"),
        ([1, 5], {}, "account: Input should be a valid string"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    args: list[Any], kwargs: dict[str, Any], reason: str
) -> None:
    for bind in (CHARGE.bind, CHARGE.bind_json):
        with pytest.raises(InvalidArguments) as refused:
            bind(args, kwargs)
        assert reason in str(refused.value)
        assert "shop.charge" in str(refused.value)
        problems = refused.value.facts["problems"]
        assert problems
        assert all(problem["at"] and problem["message"] for problem in problems)


def test_a_problem_deep_inside_an_argument_says_where_it_is() -> None:
    def take(pages: list[dict[str, int]]) -> None: ...

    with pytest.raises(InvalidArguments) as refused:
        CallSchema("t", take).bind([[{"a": 1}, {"b": "x"}]], {})
    assert [problem["at"] for problem in refused.value.facts["problems"]] == ["pages.1.b"]


def variadic(*urls: str) -> None: ...
def named(**urls: str) -> None: ...
def positional(url: str, /) -> None: ...
def twice(one: Job[Any], two: Job[Any]) -> None: ...
def stranger(url: Unheard) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def stranger_result() -> Unheard: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    "function, reason",
    [
        (variadic, "*urls"),
        (named, "**urls"),
        (positional, "has no name that a message could carry"),
        (twice, "it takes the Job twice"),
        (stranger, "a type is unknown: name 'Unheard' is not defined"),
        (stranger_result, "a type is unknown: name 'Unheard' is not defined"),
    ],
)
def test_signatures_that_a_message_cannot_carry_are_refused(function: Any, reason: str) -> None:
    with pytest.raises(TaskSignatureError) as refused:
        CallSchema("shop.task", function).check()
    assert reason in str(refused.value)
    assert "'shop.task'" in str(refused.value)


def job_first(job: Job[Any], url: str, depth: int = 1) -> None: ...
def job_last(url: str, depth: int = 1, *, job: Job[Any]) -> None: ...
def job_bare(url: str, job: Job, depth: int = 1) -> None: ...  # type: ignore[type-arg]
def any_name(url: str, depth: int = 1, *, context: Job[Any]) -> None: ...


@pytest.mark.parametrize("function", [job_first, job_last, job_bare, any_name])
def test_senders_do_not_see_the_job(function: Any) -> None:
    schema = CallSchema("t", function)
    assert schema.job_parameter == ("context" if function is any_name else "job")
    assert list(schema.parameters) == ["url", "depth"]
    assert schema.bind(["u", 2], {}).arguments == {"url": "u", "depth": 2}
    assert schema.json_schema["properties"].keys() == {"url", "depth"}
    with pytest.raises(InvalidArguments, match="Extra inputs"):
        schema.bind(["u"], {str(schema.job_parameter): "j"})


def only_job(job: Job[Any]) -> None: ...
def nothing() -> None: ...


@pytest.mark.parametrize("function", [only_job, nothing])
def test_a_task_may_take_nothing(function: Any) -> None:
    schema = CallSchema("t", function)
    assert schema.encode(schema.bind([], {})) == b'{"args":[],"kwargs":{}}'
    assert schema.json_schema["properties"] == {}
    with pytest.raises(InvalidArguments, match="takes 0"):
        schema.bind([1], {})


def job_only_by_position(job: Job[Any], /, url: str) -> None: ...


def test_a_job_that_cannot_be_passed_by_name_is_refused_or_called_right() -> None:
    # Otherwise every run of it would fail with a TypeError.
    with pytest.raises(TaskSignatureError):
        CallSchema("t", job_only_by_position).check()


def odd_names(schema: int, json: int, self_: int, copy: int, config: int, _x: int) -> None: ...
def odder_names(fields: int, total: int, args: int, kwargs: int, task: int, self: int) -> None: ...


@pytest.mark.parametrize("function", [odd_names, odder_names])
def test_parameters_may_have_any_name(function: Any) -> None:
    schema = CallSchema("t", function)
    bound = schema.bind(range(6), {})
    assert list(bound.arguments.values()) == list(range(6))
    again = schema.bind_json(*decode_body(schema.encode(bound)))
    assert again == bound
    assert list(schema.json_schema["properties"]) == list(bound.arguments)


def forward(page: Page) -> Page:
    return page


class Page(BaseModel):
    """Defined below the function that takes it."""

    url: str


def test_types_may_be_defined_below_the_task() -> None:
    schema = CallSchema("t", forward)
    assert schema.bind([{"url": "u"}], {}).arguments == {"page": Page(url="u")}
    assert schema.decode_result({"url": "u"}) == Page(url="u")


@pytest.mark.parametrize(
    "body, expected",
    [
        (b'{"args":[1],"kwargs":{"a":2}}', ([1], {"a": 2})),
        (b'{"kwargs":{"a":2}}', ([], {"a": 2})),
        (b'{"args":[1]}', ([1], {})),
        (b'{"other":"ignored"}', ([], {})),
    ],
)
def test_a_body_may_leave_out_what_is_empty(body: bytes, expected: Any) -> None:
    assert decode_body(body) == expected


@pytest.mark.parametrize(
    "body, reason",
    [
        (b"", "the body is no JSON"),
        (b"\xff\xfe", "the body is no JSON"),
        (b'{"args":', "the body is no JSON"),
        (b'{"kwargs":{"a":NaN}}', "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b"[1,2]", "no JSON object with args and kwargs"),
        (b"null", "no JSON object with args and kwargs"),
        (b'{"args":{}}', "args must be an array and kwargs an object"),
        (b'{"args":null}', "args must be an array and kwargs an object"),
        (b'{"kwargs":[]}', "args must be an array and kwargs an object"),
    ],
)
def test_a_body_that_is_no_call_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_body(body)


def test_arguments_of_an_unknown_task_travel_as_they_are() -> None:
    body = encode_unchecked([1, "a", None], {"page": Page(url="u"), "tags": {"x"}}, "t")
    assert orjson.loads(body) == {
        "args": [1, "a", None],
        "kwargs": {"page": {"url": "u"}, "tags": ["x"]},
    }


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="no JSON"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param(b"\xff", id="bytes that are no text"),
        pytest.param(LOOP, id="a list that holds itself"),
    ],
)
def test_what_json_cannot_carry_is_refused_where_it_is_sent(value: Any) -> None:
    with pytest.raises(InvalidArguments, match="JSON cannot carry them"):
        encode_unchecked([value], {}, "shop.mail")


@pytest.mark.parametrize(
    "text",
    ["1e400", "-1e400", "[1E+309]", '{"a": {"b": 1e999999}}', f"{'9' * 400}.0", f"{'9' * 250}e99"],
)
def test_a_number_that_no_float_holds_is_refused(text: str) -> None:
    with pytest.raises(OutOfRange, match="is larger than any float"):
        read_json(text)
    with pytest.raises(ValueError, match="is larger than any float"):
        decode_body(f'{{"kwargs": {{"a": {text}}}}}'.encode())


@pytest.mark.parametrize(
    "text, value",
    [
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("0.00001e310", 1e305),
        ("1e-400", 0.0),
        ('"1e400"', "1e400"),
        ("1180591620717411303425", 1180591620717411303425),
        ("9" * 400, 10**400 - 1),
    ],
)
def test_numbers_and_texts_that_look_like_it_are_read(text: str, value: object) -> None:
    assert read_json(text) == read_json(text.encode()) == value


def test_of_many_faults_an_error_names_the_first_and_counts_the_rest() -> None:
    wrong = {f"k{n}": 1 for n in range(MOST_PROBLEMS + 5)}
    with pytest.raises(InvalidArguments, match=r"k0: .*; and 5 more") as raised:
        CHARGE.bind_json(["a", 5], wrong)
    assert len(raised.value.facts["problems"]) == MOST_PROBLEMS


def test_what_is_no_utf_8_is_no_json() -> None:
    for text in ('"\udcff"', b'"\xff"', b'"\xed\xa0\x80"'):
        with pytest.raises(ValueError, match=r"(?i)utf-8|unicode"):
            read_json(text)
