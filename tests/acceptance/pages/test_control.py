"""Schedules, workflows and workers in the browser: seen, and controlled."""

from __future__ import annotations

import re
import signal
import subprocess

import httpx
from playwright.sync_api import Page, expect

from ..place import APP, WARRENER, Place, clean_environment
from ..shop import IDLE
from .conftest import check_looks


def test_a_schedule_is_paused_resumed_and_run_by_keyboard(page: Page, api: str) -> None:
    page.goto(f"{api}/desk/schedules")
    expect(page.locator("#schedules")).to_contain_text("warrener schedules add")
    for name, task in (("nightly", "shop.add"), ("hourly", "shop.sign_in")):
        kwargs = {"a": 40, "b": 2} if task == "shop.add" else {"token": "hunter2"}
        body = {"name": name, "cron": "0 3 * * *", "task": task, "kwargs": kwargs}
        assert httpx.post(f"{api}/schedules", json=body).status_code == 201
    page.reload()
    expect(page.locator("#schedules")).to_contain_text("start warrener beat")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="nightly"))
    expect(row).to_contain_text('{"a":40,"b":2}')
    expect(page.locator("#schedules")).not_to_contain_text("hunter2")
    check_looks(page, "schedules")
    page.get_by_role("button", name="Pause nightly").focus()
    page.keyboard.press("Enter")
    expect(row).to_contain_text("paused")
    page.get_by_role("button", name="Resume nightly").click()
    expect(row).not_to_contain_text("paused")
    page.get_by_role("button", name="Run nightly now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop.add")
    expect(page.locator("#job pre")).to_have_text("42", timeout=20_000)


def test_a_workflow_is_a_tree_from_its_jobs_and_is_ended(page: Page, api: str) -> None:
    add = {"task": "shop.add", "args": [1]}
    held = {"group": [add, {"task": "shop.wait_in_line", "args": [1]}]}
    flow = {"chain": [held, {"task": "shop.keep"}]}
    answer = httpx.post(f"{api}/workflows", json={"workflow": flow})
    assert answer.status_code == 202, answer.text
    flow_id = answer.json()["id"]
    page.goto(f"{api}/desk/workflows/{flow_id}")
    expect(page.locator("#workflow")).to_contain_text("1 of 3 tasks have ended", timeout=20_000)
    parts = page.locator(".tree tbody th")
    expect(parts).to_have_text(["chain", "group", "shop.add", "shop.wait_in_line", "shop.keep"])
    check_looks(page, "workflow")
    row = page.get_by_role("row").filter(has_text="shop.wait_in_line")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop.wait_in_line")
    page.get_by_role("link", name=flow_id).click()
    page.get_by_role("button", name="Revoke the whole workflow").click()
    expect(page.locator("#workflow .state")).to_have_text("REVOKED")
    expect(page.get_by_role("button", name="Revoke the whole workflow")).to_have_count(0)
    page.goto(f"{api}/desk/workflows/none-such")
    expect(page.get_by_role("alert")).to_contain_text("No workflow none-such is known")


def _start(place: Place, name: str) -> subprocess.Popen[bytes]:
    command = [*WARRENER, "worker", IDLE, "--app", APP, "--name", name]
    environment = {**clean_environment(), **place.environment, "WARRENER_BEAT": "0.5"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def test_a_worker_is_shut_down_and_one_that_is_killed_is_missed(
    page: Page, api: str, place: Place
) -> None:
    odd = 'heavy/1 "?#%2f é'
    one, other = _start(place, odd), _start(place, "heavy-2")
    try:
        page.goto(f"{api}/desk/workers")
        for name in (odd, "heavy-2"):
            row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))
            expect(row).to_contain_text(re.compile(r"\d+ MB"), timeout=60_000)
        check_looks(page, "workers-controlled")
        page.get_by_role("button", name=f"Shut {odd} down").click()
        assert one.wait(60) == 0
        expect(page.get_by_role("rowheader", name=odd)).to_have_count(0, timeout=20_000)
        page.goto(f"{api}/desk/audit")
        row = page.get_by_role("row").filter(has_text=f"worker {odd}")
        expect(row).to_contain_text("shutdown")
        other.send_signal(signal.SIGKILL)
        other.wait()
        page.goto(api)
        notice = page.locator(".notices li").filter(has_text="worker heavy-2 was lost")
        expect(notice).to_have_count(1, timeout=20_000)
        expect(page.locator(".notices li").filter(has_text=odd)).to_have_count(0)
        page.goto(f"{api}/desk/workers")
        expect(page.locator("#lost")).to_contain_text("heavy-2")
    finally:
        for process in (one, other):
            if process.poll() is None:
                process.kill()
                process.wait()
