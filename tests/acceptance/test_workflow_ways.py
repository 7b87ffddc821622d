"""Workflows over HTTP and by the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from tests.support import PATIENCE

from .place import Place


def _add(*args: int, **more: Any) -> dict[str, Any]:
    return {"task": "shop.add", "args": list(args), **more}


CHAIN = {"chain": [_add(1, 2), _add(), _add(10)]}
LASTING = {
    "chain": [{"group": [{"task": "shop.wait_in_line", "args": [1]}, _add(1, countdown=600)]}]
}


async def _submitted(http: httpx.AsyncClient, workflow: Any, **more: Any) -> str:
    accepted = await http.post("/workflows", json={"workflow": workflow, **more})
    assert accepted.status_code == 202, accepted.text
    workflow_id: str = accepted.json()["id"]
    assert accepted.headers["location"] == f"/workflows/{workflow_id}"
    return workflow_id


async def _ended(http: httpx.AsyncClient, workflow_id: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            found: dict[str, Any] = (await http.get(f"/workflows/{workflow_id}")).json()
            if found["state"] not in ("PENDING", "STARTED"):
                return found
            await asyncio.sleep(0.05)


async def _result(http: httpx.AsyncClient, job_id: str) -> Any:
    return (await http.get(f"/jobs/{job_id}", params={"wait": 20})).json()["result"]


async def test_a_chain_over_http(http: httpx.AsyncClient) -> None:
    found = await _ended(http, await _submitted(http, CHAIN))
    assert (found["state"], found["done"], found["total"]) == ("SUCCESS", 3, 3)
    assert await _result(http, found["tree"]["children"][-1]["job_id"]) == 14


async def test_a_group_with_errors_as_values_and_a_callback(http: httpx.AsyncClient) -> None:
    group = {"group": [_add(1), {"task": "shop.sell", "args": ["value"]}], "errors": "continue"}
    keep = {"task": "shop.keep"}
    found = await _ended(http, await _submitted(http, {"chain": [group, keep]}, on_success=keep))
    assert found["state"] == "SUCCESS", found
    first, second = await _result(http, found["tree"]["children"][-1]["job_id"])
    assert first == 2
    assert second["error"]["task"] == "shop.sell"
    assert [part["task"] for part in found["callbacks"]] == ["shop.keep"]


async def test_the_same_key_is_the_same_workflow(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "holiday"}
    first = await http.post("/workflows", json={"workflow": CHAIN}, headers=headers)
    again = await http.post("/workflows", json={"workflow": CHAIN}, headers=headers)
    assert first.json() == again.json()
    other = await http.post("/workflows", json={"workflow": {"chain": [_add(5)]}}, headers=headers)
    assert other.status_code == 409


async def test_what_is_wrong_is_said(http: httpx.AsyncClient) -> None:
    wrong: list[tuple[Any, int]] = [
        ({"chain": []}, 422),
        ({"chain": [{"task": "shop.unknown"}]}, 422),
        ({"chain": [_add("x")]}, 422),  # type: ignore[arg-type]
        ({"row": []}, 422),
    ]
    for workflow, status in wrong:
        answer = await http.post("/workflows", json={"workflow": workflow})
        assert answer.status_code == status, (workflow, answer.text)
    missing = await http.get("/workflows/nobody")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:warrener:workflow-not-found")


async def test_it_is_ended_as_a_whole(http: httpx.AsyncClient) -> None:
    workflow_id = await _submitted(http, LASTING)
    answer = await http.delete(f"/workflows/{workflow_id}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "REVOKED"
    members = answer.json()["tree"]["children"][0]["children"]
    assert {part["state"] for part in members} == {"REVOKED"}
    done = await _submitted(http, CHAIN)
    await _ended(http, done)
    assert (await http.delete(f"/workflows/{done}")).status_code == 409


async def test_the_command_shows_and_ends_it(http: httpx.AsyncClient, place: Place) -> None:
    workflow_id = await _submitted(http, LASTING)
    shown = await asyncio.to_thread(place.run, "workflow", "show", workflow_id)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"workflow {workflow_id}  STARTED  0 of 2 done" in shown.stdout
    assert "waits for shop.wait_in_line, shop.add" in shown.stdout
    done = await asyncio.to_thread(place.run, "workflow", "cancel", workflow_id)
    assert (done.returncode, done.stdout) == (0, f"{workflow_id} is revoked\n")
    watched = await asyncio.to_thread(
        place.run, "workflow", "show", workflow_id, "--watch", "--json"
    )
    assert json.loads(watched.stdout)["state"] == "REVOKED"
    again = await asyncio.to_thread(place.run, "workflow", "show", "nobody")
    assert again.returncode == 5
    assert "No workflow nobody is known" in again.stderr
