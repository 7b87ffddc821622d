"""Schedules at run time, over HTTP and by the command line, and a beat that submits them."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support import PATIENCE
from warrener import every
from warrener.schedules import Definition, ScheduleBook

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
        # Beat says so when the tick is submitted, and then records it.
        async with asyncio.timeout(PATIENCE):
            while not (often := (await http.get("/schedules/often")).json())["job_id"]:
                pass
        listed = (await http.get("/schedules")).json()
        assert listed["leader"]
        job = await http.get(f"/jobs/{often['job_id']}", params={"wait": 20})
        assert job.json()["state"] == "SUCCESS"
        shown = await asyncio.to_thread(place.run, "schedules", "list", "--app", APP, "--json")
        assert json.loads(shown.stdout)["leader"] == listed["leader"]
    assert (await http.get("/schedules")).json()["leader"] is None
    assert (await http.delete("/schedules/often")).status_code == 204


async def _broken(place: Place, name: str) -> None:
    """What the store has of a schedule as a version wrote it that knew more, or on another machine."""
    definition = {
        "name": name,
        "task": "shop.add",
        "timing": {"cron": "0 * * * *", "tz": "Mars/Base"},
    }
    async with place.client() as client:
        redis: Any = client.store.client
        key = f"{place.namespace}:{{beat}}:schedule:{name}"
        await redis.hset(key, mapping={"definition": json.dumps(definition), "source": "store"})
        await redis.hset(key, mapping={"last": 0, "timing": "{}"})
        await redis.sadd(f"{place.namespace}:{{beat}}:names", name)


async def test_one_that_cannot_be_read_hides_no_other(
    http: httpx.AsyncClient, place: Place, tmp_path: Path
) -> None:
    await _broken(place, "broken")
    await _made(http, "often", cron=None, every=1)
    listed = (await http.get("/schedules")).json()
    assert [one["name"] for one in listed["schedules"]] == ["often"]
    [unreadable] = listed["unreadable"]
    assert unreadable["name"] == "broken"
    assert "'Mars/Base' is no time zone" in unreadable["reason"]
    shown = await asyncio.to_thread(place.run, "schedules", "list", "--app", APP)
    assert "broken is not submitted, since it cannot be read: " in shown.stdout
    doctor = await asyncio.to_thread(place.run, "doctor", "--app", APP, "--json")
    [finding] = [one for one in json.loads(doctor.stdout) if "broken" in one["what"]]
    assert (finding["level"], finding["what"]) == ("problem", "schedule broken cannot be read")
    assert "warrener schedules change" in finding["remedy"]
    # Beat says so, and submits the others.
    log = tmp_path / "beat.log"
    with place.background(log, lambda: "the tick of" in log.read_text(), "beat", "--app", APP):
        assert "schedule broken is left out: " in log.read_text()
    # It can be looked at, paused, defined anew and removed.
    alone = await http.get("/schedules/broken")
    assert (alone.status_code, "'Mars/Base'" in alone.json()["detail"]) == (422, True)
    healed = await http.put("/schedules/broken", json=NIGHTLY)
    assert (healed.status_code, healed.json()["tz"]) == (200, "Europe/Vienna")
    assert (await http.get("/schedules")).json()["unreadable"] == []
    await _broken(place, "broken")
    for name in ("broken", "often"):
        assert (await http.delete(f"/schedules/{name}")).status_code == 204


async def test_one_that_is_in_code_is_paused_and_otherwise_left_alone(
    http: httpx.AsyncClient, place: Place
) -> None:
    async with place.client() as client:
        book = ScheduleBook(place.settings, client.store)
        await book.adopt(Definition("in-code", every(hours=1), "shop.add", [1]), client.clock())
    listed = (await http.get("/schedules/in-code")).json()
    assert listed["source"] == "code"
    for answer in (
        await http.put("/schedules/in-code", json=NIGHTLY),
        await http.delete("/schedules/in-code"),
    ):
        assert (answer.status_code, answer.json()["title"]) == (409, "schedule in code")
    again = await http.post("/schedules", json={"name": "in-code", **NIGHTLY})
    assert (again.status_code, again.json()["title"]) == (409, "schedule exists")
    removed = await asyncio.to_thread(place.run, "schedules", "remove", "in-code", "--app", APP)
    assert removed.returncode != 0
    assert "in-code" in removed.stderr
    paused = await asyncio.to_thread(place.run, "schedules", "pause", "in-code", "--app", APP)
    assert paused.returncode == 0, paused.stderr
    assert (await http.get("/schedules/in-code")).json()["paused"] is True
    async with place.client() as client:
        await ScheduleBook(place.settings, client.store).remove("in-code", in_code=True)
