"""Revoking over HTTP and by the command line."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.support import PATIENCE

from .place import APP, Place


async def _submitted(http: httpx.AsyncClient, **wanted: Any) -> str:
    accepted = await http.post("/jobs", json=wanted)
    assert accepted.status_code == 202, accepted.text
    job_id: str = accepted.json()["id"]
    return job_id


async def _revoked(http: httpx.AsyncClient, job_id: str, **asked: Any) -> httpx.Response:
    return await http.delete(f"/jobs/{job_id}", params=asked)


async def test_a_job_that_waits_is_revoked_and_says_why(http: httpx.AsyncClient) -> None:
    job_id = await _submitted(http, task="shop.wait_in_line", kwargs={"number": 1})
    answer = await _revoked(http, job_id, reason="nobody wants it")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["reason"]) == ("REVOKED", "nobody wants it")
    again = await _revoked(http, job_id)
    assert again.status_code == 409
    assert again.json()["type"] == "urn:warrener:job-ended"
    assert f"Job {job_id} has ended as REVOKED" in again.json()["detail"]


async def test_a_job_that_runs_is_asked_to_end(http: httpx.AsyncClient) -> None:
    job_id = await _submitted(http, task="shop.hold", kwargs={"until": "never"})
    async with asyncio.timeout(PATIENCE):
        while (await http.get(f"/jobs/{job_id}")).json()["state"] != "STARTED":
            pass
    answer = await _revoked(http, job_id, terminate=True)
    assert answer.status_code == 202
    ended = (await http.get(f"/jobs/{job_id}", params={"wait": 20})).json()
    assert (ended["state"], ended["reason"]) == ("REVOKED", "revoked")


async def test_an_expired_job_is_revoked(http: httpx.AsyncClient) -> None:
    job_id = await _submitted(http, task="shop.add", kwargs={"a": 1}, countdown=0.3, expires=0.1)
    ended = (await http.get(f"/jobs/{job_id}", params={"wait": 20})).json()
    assert (ended["state"], ended["reason"]) == ("REVOKED", "expired")


async def test_the_command_says_of_each_job_what_it_did(place: Place) -> None:
    submit = ("submit", "--app", APP, "shop.wait_in_line", "number=1")
    sent = [(await asyncio.to_thread(place.run, *submit)).stdout.strip() for _ in range(2)]
    done = await asyncio.to_thread(place.run, "revoke", *sent, "--reason", "closing time")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{job_id} revoked" for job_id in sent]
    again = await asyncio.to_thread(place.run, "revoke", sent[0], "never-sent", "--json")
    assert again.returncode == 7
    assert f"Job {sent[0]} has ended as REVOKED" in again.stdout
    assert "No job never-sent is known" in again.stdout
