"""Many jobs in one call: each is answered by itself, a key makes the call safe to repeat, and what waits is
purged again."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from warrener_api.clients import client_of

from .place import Place
from .shop import IDLE, app

GOOD = {"task": "shop.add", "kwargs": {"a": 1}}


async def test_each_job_of_a_batch_is_answered(place: Place) -> None:
    jobs: list[Any] = [
        GOOD,
        {"task": "shop.add", "kwargs": {"a": "one"}},
        {"task": "shop.nothing"},
        "no job",
        {**GOOD, "retries": 5},
        {**GOOD, "countdown": -5},
        {**GOOD, "queue": "shop.nowhere"},
        {**GOOD, "countdown": 600},
        {"task": {}},
    ]
    async with place.http() as http:
        response = await http.post("/jobs/batch", json={"jobs": jobs})
        assert response.status_code == 202, response.text
        found = response.json()
        results = found["results"]
        types = [
            one.get("problem", {}).get("type", "").removeprefix("urn:warrener:") for one in results
        ]
        assert types == [
            *("", "invalid-arguments", "unknown-task", "invalid-request", "invalid-request"),
            *("invalid-delay", "queue-not-found", "", "invalid-request"),
        ]
        assert [one["status"] for one in results] == [202, 422, 422, 422, 422, 422, 404, 202, 422]
        assert found["accepted"] == 2
        states = [(await http.get(f"/jobs/{results[n]['id']}")).json()["state"] for n in (0, 7)]
        assert states == ["PENDING", "SCHEDULED"]
        assert sum((await place.messages()).values()) == 2


async def test_the_same_batch_at_once_gives_the_same_jobs(place: Place) -> None:
    """Ten at the same time, under one key: one set of jobs, and one message of each that counts."""
    batch = {"jobs": [{"task": "shop.add", "kwargs": {"a": n}} for n in range(5)]}
    headers = {"Idempotency-Key": "batch-7"}
    async with place.http() as http:
        calls = (http.post("/jobs/batch", json=batch, headers=headers) for _ in range(10))
        answers = await asyncio.gather(*calls)
        ids = {tuple(one["id"] for one in answer.json()["results"]) for answer in answers}
        assert len(ids) == 1
        assert len(set(*ids)) == 5
        other = {"jobs": [GOOD, *batch["jobs"][1:]]}
        [first, *rest] = (await http.post("/jobs/batch", json=other, headers=headers)).json()[
            "results"
        ]
        assert first["problem"]["type"] == "urn:warrener:idempotency-conflict"
        assert [one["id"] for one in rest] == list(*ids)[1:]


async def test_one_key_at_once_is_one_job(place: Place) -> None:
    async with place.http() as http:
        headers = {"Idempotency-Key": "one"}
        calls = [http.post("/jobs", json=GOOD, headers=headers) for _ in range(25)]
        calls += [http.post("/jobs", json={**GOOD, "kwargs": {"a": 2}}, headers=headers)]
        answers = await asyncio.gather(*calls)
        by_status: dict[int, set[str]] = {}
        for answer in answers:
            by_status.setdefault(answer.status_code, set()).add(answer.json().get("id", ""))
        # Whichever body came first has the key; of the others each one is told so.
        assert sorted(by_status) == [202, 409]
        assert len(by_status[202]) == 1


async def test_a_batch_is_no_larger_than_a_thousand_jobs(place: Place) -> None:
    async with place.http() as http:
        answer = await http.post("/jobs/batch", json={"jobs": [GOOD] * 1000})
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1000)
        answer = await http.post("/jobs/batch", json={"jobs": [GOOD] * 1001})
        assert answer.status_code == 422
        page = (await http.get("/jobs", params={"state": "PENDING", "size": 600})).json()
        assert len(page["items"]) == 600
        rest = await http.get(
            "/jobs", params={"state": "PENDING", "cursor": page["next"], "size": 1000}
        )
        listed = {one["id"] for one in (*page["items"], *rest.json()["items"])}
        assert len(listed) >= 1000
        assert "access-control-allow-origin" not in answer.headers
        preflight = await http.options("/jobs", headers={"Origin": "https://evil.example"})
        assert preflight.status_code == 405, "no other origin is let in"


async def test_what_waits_is_purged_a_part_at_a_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = {"jobs": [{"task": "shop.wait_in_line", "kwargs": {"number": n}} for n in range(250)]}
    async with place.http() as http:
        ids = [one["id"] for one in (await http.post("/jobs/batch", json=batch)).json()["results"]]
        # Two seconds pass from look to look: a group, and the time is over.
        now = itertools.count(time.time(), 2.0)
        monkeypatch.setattr(client_of(app), "clock", lambda: next(now))
        for revoked, whole in ((100, False), (100, False), (50, True)):
            answer = await http.post(f"/queues/{IDLE}/purge")
            assert answer.status_code == 200, answer.text
            assert (answer.json()["revoked"], answer.json()["whole"]) == (revoked, whole)
        for job_id in (ids[0], ids[-1]):
            job = (await http.get(f"/jobs/{job_id}")).json()
            assert (job["state"], job["reason"]) == ("REVOKED", "purged")
        [*_, first] = (await http.get("/audit", params={"size": 3})).json()
        assert (first["what"], first["facts"]["revoked"]) == ("purge", 100)
