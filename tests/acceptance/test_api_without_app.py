"""`warrener api` without an app: it serves what workers have published, and imports none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.support import PATIENCE
from warrener_workers.nodes.ports import free_ports

from .place import Place, answers
from .shop import FAST, SLOW


@pytest.fixture(scope="module")
def api(staffed: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `warrener api` process that knows no app."""
    address = f"http://127.0.0.1:{(port := free_ports(1)[0])}"
    log = tmp_path_factory.mktemp("api") / "api.log"
    with staffed.background(log, lambda: answers(f"{address}/healthz"), "api", "--port", str(port)):
        yield address


@pytest_asyncio.fixture
async def http(api: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api, timeout=PATIENCE) as client:
        yield client


async def _ended(http: httpx.AsyncClient, job_id: str) -> Any:
    return (await http.get(f"/jobs/{job_id}", params={"wait": 30})).json()


@pytest.mark.parametrize("call", [{"kwargs": {"a": 1, "b": 2}}, {"args": [1, 2]}, {"args": [3]}])
async def test_a_job_is_submitted_and_runs(http: httpx.AsyncClient, call: dict[str, Any]) -> None:
    answer = await http.post("/jobs", json={"task": "shop.add", **call})
    assert answer.status_code == 202, answer.text
    job = await _ended(http, answer.json()["id"])
    assert (job["state"], job["queue"]) == ("SUCCESS", FAST)
    assert job["result"] in (3, 4)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"a": "one"}, "a"),
    ({}, "arguments"),
    ({"a": 1, "c": 2}, "arguments"),
]


@pytest.mark.parametrize("kwargs, at", WRONG)
async def test_arguments_are_checked_by_the_schema(
    http: httpx.AsyncClient, kwargs: dict[str, Any], at: str
) -> None:
    answer = await http.post("/jobs", json={"task": "shop.add", "kwargs": kwargs})
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == [at]
    inner = {"task": "shop.order", "kwargs": {"order": {"placed": "2030-01-02", "lines": [{}]}}}
    answer = await http.post("/jobs", json=inner)
    assert {error["at"] for error in answer.json()["errors"]} == {"order.lines.0"}


async def test_a_task_that_nobody_has_published_is_refused_and_the_others_named(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post("/jobs", json={"task": "shop.none"})
    assert answer.status_code == 422
    assert "shop.add" in answer.json()["detail"]


async def test_batches_workflows_and_schedules_know_them_too(http: httpx.AsyncClient) -> None:
    jobs = [{"task": "shop.add", "args": [1]}, {"task": "shop.add"}, {"task": "shop.none"}]
    batch = (await http.post("/jobs/batch", json={"jobs": jobs})).json()
    assert [one["status"] for one in batch["results"]] == [202, 422, 422]
    flow = {"chain": [{"task": "shop.add", "args": [1]}, {"task": "shop.keep"}]}
    answer = await http.post("/workflows", json={"workflow": flow})
    assert answer.status_code == 202, answer.text
    body = {"name": "often", "every": 3600, "task": "shop.add", "kwargs": {"a": 1}}
    assert (await http.post("/schedules", json=body)).status_code == 201
    wrong = {**body, "name": "other", "kwargs": {"a": "x"}}
    assert (await http.post("/schedules", json=wrong)).status_code == 422
    fired = await http.post("/schedules/often/fire")
    assert (await _ended(http, fired.json()["job_id"]))["state"] == "SUCCESS"


async def test_the_document_has_the_tasks_with_their_schemas(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**body["schema"], "components": document["components"]})
    validator.validate({"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "inside": []}}})
    assert not validator.is_valid({"task": "shop.add", "kwargs": {"a": "x"}})
    assert not validator.is_valid({"task": "shop.none", "kwargs": {}})


async def test_queues_and_pages_are_those_of_the_workers(http: httpx.AsyncClient) -> None:
    assert [queue["name"] for queue in (await http.get("/queues")).json()][:2] == [
        FAST,
        "shop.idle",
    ]
    assert SLOW in (await http.get("/desk/queues")).text
