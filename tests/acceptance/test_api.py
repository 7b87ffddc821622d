"""Jobs, queues and dead letters over HTTP: a `warrener api` process, a worker, RabbitMQ and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from .shop import FAST, IDLE, SLOW

PROBLEM = "application/problem+json"


async def _submit(http: httpx.AsyncClient, task: str, **kwargs: Any) -> dict[str, Any]:
    response = await http.post("/jobs", json={"task": task, "kwargs": kwargs})
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    return job


async def _ended(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    response = await http.get(f"/jobs/{job_id}", params={"wait": 20})
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


# Submitting ------------------------------------------------------------------------------------------


async def test_a_submitted_job_can_be_followed_to_its_result(http: httpx.AsyncClient) -> None:
    response = await http.post("/jobs", json={"task": "shop.add", "kwargs": {"a": 2, "b": 3}})
    assert response.status_code == 202
    accepted = response.json()
    assert response.headers["location"] == f"/jobs/{accepted['id']}"
    assert (accepted["task"], accepted["queue"]) == ("shop.add", FAST)
    found = await http.get(response.headers["location"], params={"wait": 20})
    assert found.status_code == 200
    job = found.json()
    assert (job["state"], job["result"], job["attempt"]) == ("SUCCESS", 5, 1)
    times = [datetime.fromisoformat(job[name]) for name in ("created", "started", "finished")]
    assert times == sorted(times)


async def test_arguments_are_taken_by_position_too(http: httpx.AsyncClient) -> None:
    response = await http.post("/jobs", json={"task": "shop.add", "args": [2], "kwargs": {"b": 5}})
    assert (await _ended(http, response.json()["id"]))["result"] == 7


async def test_models_and_models_within_themselves_are_taken(http: httpx.AsyncClient) -> None:
    lines = [{"sku": "hat", "count": 2}, {"sku": "cap", "count": 1}]
    order = await _submit(http, "shop.order", order={"placed": "2030-01-02", "lines": lines})
    box = {"grams": 1, "inside": [{"grams": 2, "inside": [{"grams": 3}]}]}
    weigh = await _submit(http, "shop.weigh", box=box)
    assert (await _ended(http, order["id"]))["result"] == 3
    assert (await _ended(http, weigh["id"]))["result"] == 6


async def test_a_wait_that_is_too_short_shows_the_job_as_it_stands(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    held = await _submit(http, "shop.hold", until=str(tmp_path / "go"))
    shown = await http.get(f"/jobs/{held['id']}", params={"wait": 0.05})
    assert shown.json()["state"] in ("PENDING", "STARTED")
    (tmp_path / "go").touch()
    assert (await _ended(http, held["id"]))["result"] == "let go"


async def test_a_failed_job_says_why(http: httpx.AsyncClient) -> None:
    job = await _ended(http, (await _submit(http, "shop.sell", cause="value"))["id"])
    assert (job["state"], job["result"]) == ("FAILURE", None)
    assert (job["error"]["type"], job["error"]["message"]) == ("ValueError", "no value")
    assert "raise {" in job["error"]["traceback"]


@pytest.mark.parametrize("by", ["countdown", "eta"])
async def test_a_delayed_job_is_scheduled_and_runs_when_due(
    http: httpx.AsyncClient, by: str
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1)
    when: dict[str, Any] = {"countdown": 1} if by == "countdown" else {"eta": due.isoformat()}
    response = await http.post("/jobs", json={"task": "shop.add", "kwargs": {"a": 1}, **when})
    waiting = response.json()
    assert (response.status_code, waiting["state"]) == (202, "SCHEDULED")
    assert datetime.fromisoformat(waiting["due"]) >= due - timedelta(milliseconds=1)
    job = await _ended(http, waiting["id"])
    assert job["state"] == "SUCCESS"
    assert datetime.fromisoformat(job["started"]) >= due


async def test_a_job_can_be_sent_to_another_queue(http: httpx.AsyncClient) -> None:
    body = {"task": "shop.add", "kwargs": {"a": 1}, "queue": SLOW}
    job = await _ended(http, (await http.post("/jobs", json=body)).json()["id"])
    assert (job["state"], job["queue"]) == ("SUCCESS", SLOW)


# The same key, the same job --------------------------------------------------------------------------


async def test_the_same_key_and_body_is_the_same_job(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-1"}
    body = {"task": "shop.add", "kwargs": {"a": 1}}
    answers = [await http.post("/jobs", json=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    other = await http.post("/jobs", json=body, headers={"Idempotency-Key": "order-2"})
    assert other.json()["id"] != answers[0].json()["id"]


async def test_the_same_key_still_gives_the_job_after_it_has_ended(
    http: httpx.AsyncClient,
) -> None:
    headers = {"Idempotency-Key": "ended-order"}
    body = {"task": "shop.add", "kwargs": {"a": 1}}
    job = await _ended(http, (await http.post("/jobs", json=body, headers=headers)).json()["id"])
    again = await http.post("/jobs", json=body, headers=headers)
    assert (again.status_code, again.json()) == (202, job)


@pytest.mark.parametrize(
    "change", [{"kwargs": {"a": 2}}, {"queue": SLOW}, {"countdown": 5}, {"task": "shop.weigh"}]
)
async def test_the_same_key_with_another_body_is_a_conflict(
    http: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": f"conflict-{change}"}
    body: dict[str, Any] = {"task": "shop.add", "kwargs": {"a": 1}}
    first = await http.post("/jobs", json=body, headers=headers)
    if "task" in change:
        change = {**change, "kwargs": {"box": {"grams": 1}}}
    other = await http.post("/jobs", json={**body, **change}, headers=headers)
    problem = other.json()
    assert (other.status_code, other.headers["content-type"]) == (409, PROBLEM)
    assert problem["type"] == "urn:warrener:idempotency-conflict"
    assert first.json()["id"] in problem["detail"]


async def test_twenty_posts_at_once_with_one_key_are_one_job(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    body = {"task": "shop.note", "kwargs": {"path": str(trace), "line": "ran"}}
    headers = {"Idempotency-Key": "stampede"}
    posts = [http.post("/jobs", json=body, headers=headers) for _ in range(20)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    [job_id] = {answer.json()["id"] for answer in answers}
    await _ended(http, job_id)
    # Whatever was published twice lies before this one in the queue.
    await _ended(http, (await _submit(http, "shop.add", a=1))["id"])
    assert trace.read_text() == "ran\n"


# Errors ----------------------------------------------------------------------------------------------


async def test_a_problem_names_each_argument_at_fault(http: httpx.AsyncClient) -> None:
    order = {"placed": "soon", "lines": [{"sku": "hat", "count": 0}]}
    body = {"task": "shop.order", "kwargs": {"order": order}}
    response = await http.post("/jobs", json=body)
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert problem.keys() == {"type", "title", "status", "detail", "errors"}
    assert problem["type"] == "urn:warrener:invalid-arguments"
    assert (problem["title"], problem["status"]) == ("invalid arguments", 422)
    assert [error["at"] for error in problem["errors"]] == ["order.placed", "order.lines.0.count"]
    assert problem["errors"][1]["message"] == "Input should be greater than 0"
    assert "order.lines.0.count: Input should be greater than 0" in problem["detail"]


async def test_of_many_faults_a_problem_names_the_first_and_counts_the_rest(
    http: httpx.AsyncClient,
) -> None:
    body = {"task": "shop.add", "args": {}, **{f"k{n}": 1 for n in range(30)}}
    problem = (await http.post("/jobs", json=body)).json()
    assert problem["type"] == "urn:warrener:invalid-request"
    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith("; and 11 more")


@pytest.mark.parametrize(
    "path", ["/jobs/some-id?wait=61", "/jobs/some-id?wait=-1", "/dead-letters/shop.slow?size=0"]
)
async def test_wrong_query_parameters_are_problems_too(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert problem["type"] == "urn:warrener:invalid-request"
    assert problem["errors"][0]["at"].startswith("query.")


@pytest.mark.parametrize("job_id", ["never-sent", "a%20b", "%7Bx%7D", "x" * 129, "%00"])
@pytest.mark.parametrize("wait", [0, 5])
async def test_an_unknown_id_is_not_found_at_once(
    http: httpx.AsyncClient, job_id: str, wait: int
) -> None:
    response = await http.get(f"/jobs/{job_id}", params={"wait": wait})
    assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)
    assert response.json()["type"] == "urn:warrener:job-not-found"


async def test_a_body_that_does_not_say_how_long_it_is_ends_at_the_limit(api: str) -> None:
    url = httpx.URL(api)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = ("POST /jobs HTTP/1.1", f"Host: {url.netloc.decode()}", "Content-Type: application/json")
    writer.write("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    try:
        sent, chunk = 0, b"[" * 10_000
        while not answer.done():  # it never ends of itself
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
            sent += len(chunk)
            await asyncio.sleep(0)
        assert (await answer).startswith(b"HTTP/1.1 413 ")
        assert sent < 20_000_000, "it is refused on the way"
    finally:
        writer.close()


# Queues and health -----------------------------------------------------------------------------------


async def test_the_queues_are_listed_with_what_is_in_them(http: httpx.AsyncClient) -> None:
    await _submit(http, "shop.wait_in_line", number=1)
    queues = {queue["name"]: queue for queue in (await http.get("/queues")).json()}
    assert list(queues) == [FAST, IDLE, SLOW]
    assert queues[IDLE]["ready"] >= 1
    assert [queues[name]["consumers"] for name in queues] == [1, 0, 1]


async def test_the_process_is_alive_and_ready(http: httpx.AsyncClient) -> None:
    alive, ready = await http.get("/healthz"), await http.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


# Dead letters ----------------------------------------------------------------------------------------


async def _dead(http: httpx.AsyncClient, causes: Sequence[str]) -> list[str]:
    """The ids of dead jobs with these causes, and no others in the queue."""
    await _operation(http, f"/dead-letters/{SLOW}/replay", {"all": True})
    jobs = [await _submit(http, "shop.sell", cause=cause) for cause in causes]
    for job in jobs:
        assert (await _ended(http, job["id"]))["state"] == "FAILURE"
    await _listed(http, {job["id"] for job in jobs})
    return [job["id"] for job in jobs]


async def _operation(http: httpx.AsyncClient, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """An operation, once it has ended."""
    asked = await http.post(path, json=wanted)
    assert asked.status_code == 202, asked.text
    assert asked.headers["location"] == f"/operations/{asked.json()['id']}"
    ended = await http.get(asked.headers["location"], params={"wait": 30})
    found: dict[str, Any] = ended.json()
    assert found["state"] == "done", found
    return found


async def _listed(http: httpx.AsyncClient, job_ids: set[str]) -> list[dict[str, Any]]:
    """The letters of a queue, once they are of these jobs: a record says FAILURE a moment before."""
    async with asyncio.timeout(20):
        while True:
            page = (await http.get(f"/dead-letters/{SLOW}")).json()
            if {letter["job_id"] for letter in page["items"]} == job_ids:
                assert page["count"] == len(page["items"])
                return list(page["items"])
            await asyncio.sleep(0.02)


async def test_dead_letters_are_listed_newest_first_with_their_cause(
    http: httpx.AsyncClient,
) -> None:
    first, second = await _dead(http, ["timeout", "value"])
    letters = await _listed(http, {first, second})
    assert [letter["job_id"] for letter in letters] == [second, first]
    letter = letters[1]
    assert (letter["task"], letter["queue"], letter["reason"]) == ("shop.sell", SLOW, "error")
    assert (letter["type"], letter["message"]) == ("TimeoutError", "no timeout")
    assert letter["frame"].startswith("tests.acceptance.shop.sell:")
    assert '"cause":"timeout"' in letter["arguments"]
    newest = (await http.get(f"/dead-letters/{SLOW}", params={"size": 1})).json()
    assert [item["job_id"] for item in newest["items"]] == [second]
    rest = await http.get(f"/dead-letters/{SLOW}", params={"size": 1, "cursor": newest["next"]})
    assert [item["job_id"] for item in rest.json()["items"]] == [first]
    assert (rest.json()["count"], rest.json()["next"]) == (2, None)


async def test_dead_letters_are_searched_over_all_queues(http: httpx.AsyncClient) -> None:
    timeout, value = await _dead(http, ["timeout", "value"])
    for query, expected in (
        ({"text": "NO TIMEOUT"}, [timeout]),
        ({"text": '"cause":"value"'}, [value]),
        ({"cause": "ValueError", "task": "shop.sell"}, [value]),
        ({"ids": [timeout, "other"]}, [timeout]),
        ({"reason": "worker_lost"}, []),
        ({"older_than": 3600}, []),
        ({"newer_than": 3600, "max_attempts": 9, "max_replays": 0}, [value, timeout]),
    ):
        page = (await http.get("/dead-letters/*", params=query)).json()
        assert [letter["job_id"] for letter in page["items"]] == expected, query


async def test_dead_letters_are_grouped_by_cause_and_counted(http: httpx.AsyncClient) -> None:
    jobs = await _dead(http, ["timeout", "value", "timeout"])
    groups = (await http.get(f"/dead-letters/{SLOW}/groups")).json()
    assert [(group["type"], group["count"]) for group in groups] == [
        ("TimeoutError", 2),
        ("ValueError", 1),
    ]
    assert groups[0]["newest"] == f"{jobs[2]}~0"
    assert groups[0]["first"] < groups[0]["last"]
    members = await http.get(f"/dead-letters/{SLOW}", params={"group": groups[0]["id"]})
    assert [one["job_id"] for one in members.json()["items"]] == [jobs[2], jobs[0]]
    one = await http.get("/dead-letters/*/groups", params={"cause": "ValueError"})
    assert [group["id"] for group in one.json()] == [groups[1]["id"]]
    counts = {one["queue"]: one for one in (await http.get("/dead-letters")).json()}
    assert (counts[SLOW]["listed"], counts[SLOW]["held"], counts[SLOW]["drift"]) == (3, 3, None)


async def test_one_dead_letter_has_its_arguments_attempts_and_traceback(
    http: httpx.AsyncClient,
) -> None:
    [job] = await _dead(http, ["timeout"])
    letter = (await http.get(f"/dead-letters/{SLOW}/letters/{job}~0")).json()
    assert (letter["error"]["type"], letter["error"]["message"]) == ("TimeoutError", "no timeout")
    assert "in sell\n" in letter["error"]["traceback"]
    body = '{"args":[],"kwargs":{"cause":"timeout"}}'
    assert (letter["body"], letter["size"]) == (body, len(body))
    assert [attempt["attempt"] for attempt in letter["attempts"]] == [letter["attempt"]]
    elsewhere = await http.get(f"/dead-letters/{FAST}/letters/{job}~0")
    assert elsewhere.json()["type"] == "urn:warrener:dead-letter-not-found"


@pytest.mark.parametrize(
    "selection,replayed",
    [
        ({"ids": [1]}, [1]),
        ({"cause": "TimeoutError"}, [0, 2]),
        ({"cause": "TimeoutError", "limit": 1}, [0]),
        ({"cause": "ValueError", "task": "shop.add"}, []),
        ({"reason": "error", "limit": 2}, [0, 1]),
        ({"all": True}, [0, 1, 2]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_replay_takes_what_is_selected_and_leaves_the_rest(
    http: httpx.AsyncClient, selection: dict[str, Any], replayed: list[int]
) -> None:
    jobs = await _dead(http, ["timeout", "value", "timeout"])
    if "ids" in selection:
        selection = {"ids": [jobs[n] for n in selection["ids"]]}
    url, expected = f"/dead-letters/{SLOW}/replay", {jobs[n] for n in replayed}
    answer = await http.post(url, json={**selection, "dry_run": True})
    dry = answer.json()
    assert (answer.status_code, dry["listed"], dry["would"]) == (200, 3, len(replayed))
    assert sum(group["count"] for group in dry["groups"]) == dry["matched"]
    await _listed(http, set(jobs))
    one = await _operation(http, url, selection)
    assert (one["kind"], one["queue"], one["by"]) == ("replay", SLOW, "http:loopback")
    # At its limit a pass ends: few of those behind it are looked at, and they stay.
    assert min(3, selection.get("limit", 3)) <= one["seen"] <= 3
    assert (one["done"], one["kept"]) == (len(replayed), one["seen"] - len(replayed))
    assert (one["total"], one["failed"], one["faults"]) == (dry["matched"], 0, [])
    for job_id in expected:
        job = await _ended(http, job_id)
        assert (job["state"], job["replays"]) == ("SUCCESS", 1)
        assert job["result"] == "sold in generation 1"
    await _listed(http, set(jobs) - expected)
