"""The audit trail of what operators do: by command, over HTTP, and in the dashboard."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from .place import APP, Place
from .shop import IDLE
from .test_worker_names import living


async def test_what_operators_do_is_in_the_audit_trail(
    http: httpx.AsyncClient, staffed: Place
) -> None:
    async def did(method: str, path: str, body: Any = None) -> None:
        answer = await http.request(method, path, json=body)
        assert answer.status_code in (200, 201, 202, 204, 303), answer.text

    asked = {"task": "shop.wait_in_line", "kwargs": {"number": 1}}
    jobs = [(await http.post("/jobs", json=asked)).json()["id"] for _ in range(2)]
    flow = (await http.post("/workflows", json={"workflow": {"group": [asked]}})).json()["id"]
    schedule = {"cron": "0 3 * * *", "task": "shop.add", "kwargs": {"a": 1, "b": 2}}
    await did("DELETE", f"/jobs/{jobs[0]}?reason=twice")
    await did("POST", f"/desk/jobs/{jobs[1]}/revoke")
    await did("DELETE", f"/workflows/{flow}")
    for way in ("/queues", "/desk/queues"):
        await did("POST", f"{way}/{IDLE}/pause")
        await did("POST", f"{way}/{IDLE}/resume")
    await did("PUT", f"/queues/{IDLE}/limits", {"rate": "9/s"})
    await did("POST", "/schedules", {"name": "nightly", **schedule})
    await did("PUT", "/schedules/nightly", schedule)
    for paused in (True, False):
        await did("PATCH", "/schedules/nightly", {"paused": paused})
    for deed in ("pause", "resume", "run"):
        await did("POST", f"/desk/schedules/nightly/{deed}")
    await did("DELETE", "/schedules/nightly")
    purged = await asyncio.to_thread(staffed.run, "purge", IDLE, "--yes")
    free = await asyncio.to_thread(staffed.run, "limit", IDLE, "--off")
    assert (purged.returncode, free.returncode) == (0, 0)
    # What was refused is no deed.
    assert (await http.post("/queues/none-such/pause")).status_code == 404
    assert (await http.delete(f"/jobs/{jobs[0]}")).status_code == 409

    found = (await http.get("/audit")).json()[::-1]
    by_api = [(x["who"].split(":")[0], x["what"], x["facts"]) for x in found[:-2]]
    queue, nightly = {"queue": IDLE}, {"schedule": "nightly"}
    assert by_api == [
        ("http", "revoke", {"job": jobs[0], "reason": "twice"}),
        ("desk", "revoke", {"job": jobs[1], "reason": "revoked"}),
        ("http", "revoke", {"workflow": flow}),
        *((way, what, queue) for way in ("http", "desk") for what in ("pause", "resume")),
        ("http", "limit", {**queue, "limits": "limited to 9/s"}),
        *(("http", what, nightly) for what in ("add", "change", "pause", "resume")),
        *(("desk", what, nightly) for what in ("pause", "resume", "fire")),
        ("http", "remove", nightly),
    ]
    assert [x["what"] for x in found[-2:]] == ["purge", "limit"]
    assert all("@" in x["who"] for x in found[-2:])
    assert found[-2]["facts"]["queue"] == IDLE
    page = (await http.get("/desk/audit")).text
    assert f"job {jobs[0]}" in page
    assert "schedule nightly" in page


async def test_what_commands_do_is_in_it_too_and_a_shutdown_by_whatever_way(
    http: httpx.AsyncClient, staffed: Place
) -> None:
    asked = {"task": "shop.wait_in_line", "kwargs": {"number": 1}}
    job = (await http.post("/jobs", json=asked)).json()["id"]
    flow = (await http.post("/workflows", json={"workflow": {"group": [asked]}})).json()["id"]
    daily = ("daily", "shop.add", "a=1", "--every", "86400", "--app", APP)
    for command in (
        ("revoke", job, "--reason", "twice"),
        ("workflow", "cancel", flow),
        *((one, IDLE) for one in ("pause", "resume")),
        *(("schedules", one, *daily) for one in ("add", "change")),
        *(("schedules", one, "daily") for one in ("pause", "resume")),
        ("schedules", "fire-now", "daily", "--app", APP),
        ("schedules", "remove", "daily"),
    ):
        done = await asyncio.to_thread(staffed.run, *command)
        assert done.returncode == 0, done
    async with living(staffed, "heavy/1"):
        await asyncio.to_thread(staffed.run, "shutdown", "heavy/1", "--wait", "0")
        assert (await http.post("/workers/heavy%2F1/shutdown")).status_code == 202
        form = await http.post("/desk/workers/shutdown", data={"name": "heavy/1"})
        assert form.status_code == 303
    # What was refused is no deed.
    for command in (("revoke", job), ("shutdown", "nobody"), ("schedules", "remove", "daily")):
        assert (await asyncio.to_thread(staffed.run, *command)).returncode != 0

    found = (await http.get("/audit", params={"size": 13})).json()[::-1]
    queue, schedule, worker = {"queue": IDLE}, {"schedule": "daily"}, {"worker": "heavy/1"}
    assert [(x["what"], x["facts"]) for x in found] == [
        ("revoke", {"job": job, "reason": "twice"}),
        ("revoke", {"workflow": flow}),
        *((what, queue) for what in ("pause", "resume")),
        *((what, schedule) for what in ("add", "change", "pause", "resume", "fire", "remove")),
        *(("shutdown", worker) for _ in range(3)),
    ]
    assert all("@" in x["who"] for x in found[:-2])
    assert [x["who"].split(":")[0] for x in found[-2:]] == ["http", "desk"]
