"""The pages by keyboard alone: what can be done there is reached by Tab, seen to have the focus, and done
by Enter. In this order: the last ones end the worker, and close the API."""

from __future__ import annotations

import time

import httpx
from playwright.sync_api import Page, expect

from tests.support import PATIENCE

from ..place import Place
from ..shop import IDLE, SLOW
from .conftest import check_looks, tab_to

WAITS = {"task": "shop.wait_in_line", "kwargs": {"number": 1}}


def _enter(page: Page, name: str) -> None:
    tab_to(page, name)
    page.keyboard.press("Enter")


def _heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_a_queue_is_paused_and_resumed(page: Page, api: str) -> None:
    page.goto(f"{api}/desk/queues")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=IDLE))
    _enter(page, f"Pause {IDLE}")
    expect(row).to_contain_text("paused")
    _enter(page, f"Resume {IDLE}")
    expect(row).to_contain_text("open")


def test_a_job_is_found_and_revoked(page: Page, api: str) -> None:
    job_id = httpx.post(f"{api}/jobs", json=WAITS).json()["id"]
    page.goto(f"{api}/desk/jobs")
    tab_to(page, "State")
    page.keyboard.type("PENDING")
    tab_to(page, "Task")
    page.keyboard.type("shop.wait_in_line")
    _enter(page, "Show")
    expect(page.get_by_label("State")).to_have_value("PENDING")
    _enter(page, job_id)
    _heading(page, "shop.wait_in_line")
    tab_to(page, "Why")
    page.keyboard.type("nobody waits for it")
    _enter(page, "Revoke")
    expect(page.locator("#job")).to_contain_text("REVOKED nobody waits for it")


def test_a_workflow_is_ended_and_one_of_its_jobs_looked_at(page: Page, api: str) -> None:
    answer = httpx.post(f"{api}/workflows", json={"workflow": {"group": [WAITS, WAITS]}})
    page.goto(f"{api}/desk/workflows/{answer.json()['id']}")
    _enter(page, "Revoke the whole workflow")
    expect(page.locator("#workflow .state")).to_have_text("REVOKED")
    _enter(page, page.locator("#tree a").last.inner_text())
    _heading(page, "shop.wait_in_line")


def test_a_deed_leads_to_its_operation(page: Page, api: str) -> None:
    assert httpx.post(f"{api}/dead-letters/{SLOW}/reindex").status_code == 202
    page.goto(f"{api}/desk/audit")
    _enter(page, "ask reindex")
    _heading(page, f"Reindex of dead letters of {SLOW}")


def test_an_error_leads_back(page: Page, api: str) -> None:
    page.goto(f"{api}/desk/jobs/never-sent")
    _enter(page, "Back to the overview")
    _heading(page, "Overview")


def test_a_worker_is_shut_down(page: Page, api: str) -> None:
    page.goto(f"{api}/desk/workers")
    _enter(page, "Shut shop-1 down")
    expect(page.get_by_role("rowheader", name="shop-1")).to_have_count(0)
    expect(page.locator("#workers")).to_contain_text("warrener worker QUEUE")


def test_one_signs_in_and_out(page: Page, api: str, place: Place) -> None:
    done = place.run("keys", "create", "mx", "--role", "operate")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + PATIENCE
    while httpx.get(f"{api}/queues").status_code != 401:
        assert time.monotonic() < deadline, "the API has not noticed that there are keys"
    page.goto(api)
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(done.stdout.strip()[:-1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong, revoked or expired")
    check_looks(page, "sign-in-wrong")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(done.stdout.strip())
    page.keyboard.press("Enter")
    _heading(page, "Overview")
    _enter(page, "Sign out")
    _heading(page, "Sign in")
