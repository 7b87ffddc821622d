"""Jobs and queues in the browser: found, shown, revoked, paused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from ..place import Place
from ..shop import FAST, IDLE
from .conftest import check_looks

SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror=alert(1)>"


def _submit(address: str, task: str, wait: float = 10, **arguments: Any) -> str:
    answer = httpx.post(f"{address}/jobs", json={"task": task, "kwargs": arguments})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    if wait:
        httpx.get(f"{address}/jobs/{job_id}", params={"wait": wait}, timeout=2 * wait)
    return job_id


def test_a_job_is_found_and_shown_with_its_result(page: Page, api: str) -> None:
    job_id = _submit(api, "shop.add", a=40, b=2)
    page.goto(f"{api}/desk/jobs")
    page.get_by_label("Task").fill("shop.add")
    page.get_by_label("State").select_option("SUCCESS")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=job_id).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop.add")
    expect(page.locator("#job pre")).to_have_text("42")
    steps = page.locator(".timeline li")
    assert [step.locator("strong").inner_text() for step in steps.all()] == [
        "submitted",
        "attempt 1 began",
        "SUCCESS",
    ]
    check_looks(page, "job")
    page.goto(f"{api}/desk/jobs")
    check_looks(page, "jobs")
    page.get_by_label("Or the job of this id").fill(job_id)
    page.keyboard.press("Enter")
    expect(page.locator("#job .state")).to_have_text("SUCCESS")


def test_what_a_task_returns_or_raises_is_text(page: Page, api: str) -> None:
    title = "Job · Warrener"
    page.goto(f"{api}/desk/jobs/{_submit(api, 'shop.keep', thing=SCRIPT)}")
    expect(page.locator("#job pre")).to_contain_text("<script>")
    expect(page).to_have_title(title)
    page.goto(f"{api}/desk/jobs/{_submit(api, 'shop.sell', cause='value')}")
    expect(page.locator("#job .problem")).to_have_text("ValueError: no value")
    expect(page.locator("#job pre")).to_contain_text("Traceback")
    assert page.locator("main script, main img").count() == 0


def test_a_job_that_waits_is_revoked(page: Page, api: str) -> None:
    job_id = _submit(api, "shop.wait_in_line", wait=0, number=1)
    page.goto(f"{api}/desk/jobs/{job_id}")
    page.get_by_label("Why").fill("no longer wanted")
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#job .state")).to_have_text("REVOKED")
    expect(page.locator("#job")).to_contain_text("no longer wanted")
    assert httpx.get(f"{api}/jobs/{job_id}").json()["state"] == "REVOKED"
    expect(page.get_by_role("button", name="Revoke")).to_have_count(0)


def test_a_job_that_runs_is_seen_to_end_without_a_reload(
    page: Page, api: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job_id = _submit(api, "shop.hold", wait=0, until=str(gate))
    page.goto(f"{api}/desk/jobs/{job_id}")
    expect(page.locator("#job .state")).to_have_text("STARTED", timeout=20_000)
    gate.touch()
    expect(page.locator("#job .state")).to_have_text("SUCCESS", timeout=20_000)


def test_a_job_that_is_not_known_is_said_so(page: Page, api: str) -> None:
    for job_id in ("never-sent", "../../etc", "a b", "%00"):
        answer = page.goto(f"{api}/desk/jobs/{job_id}")
        assert answer is not None
        assert answer.status in (404, 422)
    page.goto(f"{api}/desk/jobs/never-sent")
    expect(page.get_by_role("alert")).to_contain_text("No job never-sent is known")
    page.goto(f"{api}/desk/jobs?state=LOST")
    expect(page.get_by_role("alert")).to_contain_text("state")


def test_a_queue_is_paused_and_resumed(page: Page, api: str, place: Place) -> None:
    page.goto(f"{api}/desk/queues")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=IDLE))
    row.get_by_role("button", name=f"Pause {IDLE}").click()
    expect(row).to_contain_text("paused")
    states = {queue["name"]: queue for queue in httpx.get(f"{api}/queues").json()}
    assert states[IDLE]["paused"]
    assert not states[FAST]["paused"]
    page.goto(api)
    expect(page.locator(".notices")).to_contain_text(f"{IDLE} is paused")
    page.goto(f"{api}/desk/queues")
    row.get_by_role("button", name=f"Resume {IDLE}").click()
    expect(row).to_contain_text("open")
