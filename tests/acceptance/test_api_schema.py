"""OpenAPI: a generated client sends right requests and refuses wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from warrener_api import create_app

from .shop import app

DOCUMENT: dict[str, Any] = create_app(app).openapi()
REQUEST: dict[str, Any] = DOCUMENT["paths"]["/jobs"]["post"]["requestBody"]
VALIDATOR = Draft202012Validator({**REQUEST["content"]["application/json"]["schema"]})
LINE = {"sku": "hat", "count": 1}


def test_posting_a_job_is_one_alternative_for_each_task() -> None:
    schema = REQUEST["content"]["application/json"]["schema"]
    assert REQUEST["required"] is True
    assert list(schema) == ["oneOf"]
    names = [one["properties"]["task"]["const"] for one in schema["oneOf"]]
    assert names == sorted(app.tasks)
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "request_body",
    [
        {"task": "shop.add", "kwargs": {"a": 1}},
        {"task": "shop.add", "kwargs": {"a": 1, "b": 2}, "countdown": 1.5},
        {"task": "shop.add", "kwargs": {"a": 1}, "eta": "2030-01-01T00:00:00Z", "queue": "other"},
        {"task": "shop.order", "kwargs": {"order": {"placed": "2030-01-02", "lines": [LINE]}}},
        {"task": "shop.sell", "kwargs": {"cause": "value"}},
        {"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": [{"grams": 2}]}}},
    ],
)
def test_a_right_request_fits_the_schema(request_body: Any) -> None:
    VALIDATOR.validate(request_body)


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"task": "shop.nothing", "kwargs": {}},
        {"task": "shop.add"},
        {"task": "shop.add", "kwargs": {}},
        {"task": "shop.add", "kwargs": {"a": "x"}},
        {"task": "shop.add", "kwargs": {"a": 1, "c": 3}},
        {"task": "shop.add", "kwargs": {"a": 1}, "countdown": -1},
        {"task": "shop.add", "kwargs": {"a": 1}, "retries": 3},
        {"task": "shop.order", "kwargs": {"order": {"placed": "2030-01-02"}}},
        {"task": "shop.order", "kwargs": {"order": {"placed": "2030-01-02", "lines": [{}]}}},
        {"task": "shop.sell", "kwargs": {"cause": "value", "job": {}}},
        {"task": "shop.weigh", "kwargs": {"box": {"grams": "heavy"}}},
        {"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": {}}}},
    ],
)
def test_a_wrong_request_does_not_fit_the_schema(request_body: Any) -> None:
    assert not VALIDATOR.is_valid(request_body)


def test_every_reference_leads_somewhere() -> None:
    references = list(_references(DOCUMENT))
    assert references
    for reference in references:
        assert reference.startswith("#/")
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def test_errors_are_declared_as_the_problems_that_they_are() -> None:
    declared = {
        (path, method, status): answer["content"]
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if status.startswith(("4", "5"))
    }
    assert ("/jobs", "post", "409") in declared
    assert ("/jobs/{job_id}", "get", "422") in declared
    for what, content in declared.items():
        assert list(content) == ["application/problem+json"], what
        required = content["application/problem+json"]["schema"]["required"]
        assert required == ["type", "title", "status", "detail"], what
