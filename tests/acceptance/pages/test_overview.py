"""The overview, the queues and the workers, as an operator sees them."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from ..place import Place
from ..shop import IDLE
from .conftest import check_looks

PAGES = {"overview": "/", "queues": "/desk/queues", "workers": "/desk/workers"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_right_and_is_open_to_all(page: Page, api: str, name: str) -> None:
    page.goto(api + PAGES[name])
    expect(page.get_by_role("heading", level=1)).to_have_text(name.capitalize())
    expect(page.locator("nav [aria-current=page]")).to_have_text(name.capitalize())
    check_looks(page, name)


def test_the_workers_and_what_they_do_are_shown(page: Page, api: str) -> None:
    page.goto(api)
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="shop-1"))
    expect(row).to_contain_text("0 of ")
    assert (
        httpx.post(f"{api}/jobs", json={"task": "shop.add", "kwargs": {"a": 1}}).status_code == 202
    )
    # Without a reload, once the worker has told of it.
    expect(page.locator("#hour dd").first).not_to_have_text("0", timeout=20_000)
    plots = page.locator("figure img")
    assert plots.count() > 0
    for plot in plots.all():
        expect(plot).to_have_js_property("complete", True)
        expect(plot).not_to_have_js_property("naturalWidth", 0)


def test_a_queue_that_nobody_works_on_needs_attention(page: Page, api: str, place: Place) -> None:
    page.goto(api)
    notice = page.locator(".notices li").filter(has_text=f"{IDLE} has 1 message(s) and no consumer")
    expect(notice).to_have_count(0)
    done = place.run(
        "submit", "--app", "tests.acceptance.shop:app", "shop.wait_in_line", "number=1"
    )
    assert done.returncode == 0, done.stderr
    expect(notice).to_contain_text(f"warrener worker {IDLE}", timeout=20_000)
    assert place.run("purge", IDLE, "--yes").returncode == 0
    expect(notice).to_have_count(0, timeout=20_000)


def test_the_keyboard_is_enough(page: Page, api: str) -> None:
    page.goto(api)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(api)
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Queues")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_a_page_that_does_not_exist_helps(page: Page, api: str) -> None:
    answer = page.goto(f"{api}/desk/plots/nothing.svg")
    assert answer is not None
    assert answer.status == 422
    expect(page.get_by_role("alert")).to_contain_text("Input should be 'runs', 'times' or 'depths'")
    page.get_by_role("link", name="Back to the overview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_the_calls_are_shown_with_nothing_from_elsewhere(page: Page, api: str) -> None:
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{api}/docs")
    expect(page.get_by_text("/jobs/{job_id}", exact=True).first).to_be_visible()
    assert [url for url in asked if not url.startswith((api, "data:"))] == []
    assert faults == []
