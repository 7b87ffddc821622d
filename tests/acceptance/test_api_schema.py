"""OpenAPI: a generated client sends right requests and refuses wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel

from warrener import Warrener
from warrener_api import create_app, router

from .shop import app

DOCUMENT: dict[str, Any] = create_app(app).openapi()
REQUEST: dict[str, Any] = DOCUMENT["paths"]["/jobs"]["post"]["requestBody"]
SCHEMA: dict[str, Any] = REQUEST["content"]["application/json"]["schema"]
VALIDATOR = Draft202012Validator({**SCHEMA, "components": DOCUMENT["components"]})
LINE = {"sku": "hat", "count": 1}
_IN_A_BOX = {"grams": 1, "inside": [{"grams": 1, "inside": [{"grams": "heavy"}]}]}


def test_posting_a_job_is_one_alternative_for_each_task() -> None:
    alternatives = _found(DOCUMENT, SCHEMA)["oneOf"]
    assert REQUEST["required"] is True
    names = [_found(DOCUMENT, one)["properties"]["task"]["const"] for one in alternatives]
    assert names == sorted(app.tasks)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def _found(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """What a schema that is a reference leads to."""
    found: Any = document
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


@pytest.mark.parametrize(
    "request_body",
    [
        {"task": "shop.add", "kwargs": {"a": 1}},
        {"task": "shop.add", "kwargs": {"a": 1, "b": 2}, "countdown": 1.5},
        {"task": "shop.add", "kwargs": {"a": 1}, "eta": "2030-01-01T00:00:00Z", "queue": "other"},
        {"task": "shop.order", "kwargs": {"order": {"placed": "2030-01-02", "lines": [LINE]}}},
        {"task": "shop.sell", "kwargs": {"cause": "value"}},
        {"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": [{"grams": 2}]}}},
        {"task": "shop.add", "kwargs": {"a": 1}, "countdown": None, "eta": None, "queue": None},
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
        {"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": [{"grams": "heavy"}]}}},
        {"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": [{"inside": []}]}}},
        {"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": [_IN_A_BOX]}}},
    ],
)
def test_a_wrong_request_does_not_fit_the_schema(request_body: Any) -> None:
    assert not VALIDATOR.is_valid(request_body)


class Problem(BaseModel):
    """A model of the user's, of the same name as one of Warrener's."""

    how_bad: int


def _mounted_twice() -> dict[str, Any]:
    """The document of a web app with models and calls of its own, and two apps beside them."""
    other, users = Warrener(), FastAPI()

    @other.task(name="shop.add")
    def add(problem: Problem) -> None: ...

    @other.task(name="shop-add")
    def add_too(problem: Problem) -> None: ...

    @users.get("/problems")
    def problems() -> list[Problem]:
        return []

    users.include_router(router(app))
    users.include_router(router(other), prefix="/v1/other")
    return users.openapi()


DOCUMENTS = {"alone": DOCUMENT, "mounted": _mounted_twice()}
every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


@every_document
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        assert isinstance(_found(document, {"$ref": reference}), dict)  # {}, too: any value


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


@every_document
def test_errors_are_declared_as_the_problems_that_they_are(document: dict[str, Any]) -> None:
    declared = {
        (path, method, status): answer["content"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if status.startswith(("4", "5"))
    }
    assert ("/jobs", "post", "409") in declared
    assert ("/jobs/{job_id}", "get", "422") in declared
    for what, content in declared.items():
        assert list(content) == ["application/problem+json"], what
        # By reference: generators drop the second inline model of one name.
        problem = _found(document, content["application/problem+json"]["schema"])
        assert problem["required"] == ["type", "title", "status", "detail"], what


def test_operations_have_names_that_read_well_in_a_generated_client() -> None:
    assert sorted(_operations(DOCUMENT)) == [
        "add_schedule",
        "cancel_operation",
        "change_schedule",
        "count_dead_letters",
        "discard_dead_letters",
        "fire_schedule",
        "follow_events",
        "follow_job",
        "get_dead_letter",
        "get_job",
        "get_metrics",
        "get_operation",
        "get_schedule",
        "get_workflow",
        "group_dead_letters",
        "is_alive",
        "is_ready",
        "limit_queue",
        "list_audit",
        "list_dead_letters",
        "list_jobs",
        "list_operations",
        "list_queues",
        "list_schedules",
        "list_workers",
        "pause_queue",
        "pause_schedule",
        "purge_queue",
        "reindex_dead_letters",
        "remove_schedule",
        "replay_dead_letters",
        "resume_queue",
        "revoke_job",
        "revoke_workflow",
        "shut_worker_down",
        "submit_batch",
        "submit_job",
        "submit_workflow",
    ]
    names = _operations(DOCUMENTS["mounted"])
    assert len(names) == len(set(names))
    assert {"submit_job", "v1_other_submit_job"} <= set(names)


def _operations(document: dict[str, Any]) -> list[str]:
    return [o["operationId"] for methods in document["paths"].values() for o in methods.values()]


def test_two_apps_in_one_document_have_their_own_tasks() -> None:
    document = DOCUMENTS["mounted"]
    post = document["paths"]["/v1/other/jobs"]["post"]["requestBody"]
    schema = post["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    for task in ("shop.add", "shop-add"):
        validator.validate({"task": task, "kwargs": {"problem": {"how_bad": 1}}})
        assert not validator.is_valid({"task": task, "kwargs": {"a": 1}})


def test_an_app_without_tasks_has_a_document_too() -> None:
    document = create_app(Warrener()).openapi()
    assert _found(document, {"$ref": "#/components/schemas/JobRequest"})["type"] == "object"
