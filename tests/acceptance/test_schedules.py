"""Schedules at run time, over HTTP and by the command line, and a beat that submits them."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from .place import APP, Place

NIGHTLY = {"task": "shop.add", "kwargs": {"a": 2}, "cron": "0 2 * * *", "tz": "Europe/Vienna"}


async def _made(http: httpx.AsyncClient, name: str, **facts: Any) -> dict[str, Any]:
    response = await http.post("/schedules", json={"name": name, **NIGHTLY, **facts})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_a_schedule_is_made_changed_paused_and_removed(http: httpx.AsyncClient) -> None:
    made = await _made(http, "nightly")
    assert (made["source"], made["paused"], made["missed"]) == ("store", False, "once")
    assert datetime.fromisoformat(made["next"]).minute == 0
    again = await http.post("/schedules", json={"name": "nightly", **NIGHTLY, "overlap": "skip"})
    assert (again.status_code, again.json()["title"]) == (409, "schedule exists")
    changed = await http.put("/schedules/nightly", json={**NIGHTLY, "missed": 3})
    assert (changed.status_code, changed.json()["missed"]) == (200, 3)
    paused = await http.patch("/schedules/nightly", json={"paused": True})
    assert (paused.json()["paused"], paused.json()["next"]) == (True, None)
    resumed = await http.patch("/schedules/nightly", json={"paused": False})
    assert resumed.json()["next"] == made["next"]
    fired = await http.post("/schedules/nightly/fire")
    assert fired.status_code == 202
    job = await http.get(f"/jobs/{fired.json()['job_id']}", params={"wait": 20})
    assert (job.json()["state"], job.json()["result"]) == ("SUCCESS", 3)
    assert (await http.delete("/schedules/nightly")).status_code == 204
    assert (await http.get("/schedules/nightly")).status_code == 404


async def test_a_beat_submits_what_was_made_and_says_that_it_leads(
    http: httpx.AsyncClient, place: Place, tmp_path: Path
) -> None:
    listed = (await http.get("/schedules")).json()
    assert listed["leader"] is None
    done = await asyncio.to_thread(place.run, "schedules", "list", "--app", APP, "--require-leader")
    assert (done.returncode, "no beat leads" in done.stdout) == (1, True)
    await _made(http, "often", cron=None, every=1)
    log = tmp_path / "beat.log"
    with place.background(log, lambda: "the tick of" in log.read_text(), "beat", "--app", APP):
        listed = (await http.get("/schedules")).json()
        assert listed["leader"]
        [often] = [one for one in listed["schedules"] if one["name"] == "often"]
        job = await http.get(f"/jobs/{often['job_id']}", params={"wait": 20})
        assert job.json()["state"] == "SUCCESS"
        shown = await asyncio.to_thread(place.run, "schedules", "list", "--app", APP, "--json")
        assert json.loads(shown.stdout)["leader"] == listed["leader"]
    assert (await http.get("/schedules")).json()["leader"] is None
    assert (await http.delete("/schedules/often")).status_code == 204
