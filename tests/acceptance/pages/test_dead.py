"""Dead letters in the browser: found by their cause, edited, replayed, discarded; and who did it."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from ..place import Place
from ..shop import SLOW
from .conftest import check_looks, tab_to

QUEUE = f"/desk/dead?queue={SLOW}"


def _die(address: str, cause: str) -> str:
    """The id of a job that has died of this, once its letter is listed."""
    asked = {"task": "shop.sell", "kwargs": {"cause": cause}}
    job_id: str = httpx.post(f"{address}/jobs", json=asked).json()["id"]
    while not httpx.get(f"{address}/dead-letters/{SLOW}", params={"ids": job_id}).json()["items"]:
        pass
    return job_id


def _count(address: str) -> int:
    count: int = httpx.get(f"{address}/dead-letters/{SLOW}").json()["count"]
    return count


@pytest.fixture
def dead(api: str) -> Callable[[str], str]:
    """Makes dead letters, of which there are none before."""
    if _count(api):
        path, wanted = f"/dead-letters/{SLOW}/discard", {"all": True, "because": "tidying"}
        operation_id = httpx.post(api + path, json=wanted).json()["id"]
        address = f"{api}/operations/{operation_id}"
        while not httpx.get(address, params={"wait": 10}, timeout=20).json()["finished"]:
            pass
        assert _count(api) == 0
    return lambda cause: _die(api, cause)


def _ended(page: Page, state: str = "done") -> None:
    expect(page.locator("#operation strong")).to_have_text(state, timeout=40_000)


def test_without_dead_letters_the_pages_say_so(page: Page, api: str) -> None:
    for name, path, text in (
        ("dead-none", "/desk/dead", "No job has died: there is nothing to mend."),
        ("operations-none", "/desk/operations", "None yet"),
        ("audit-none", "/desk/audit", "Nobody has done anything to a message yet"),
    ):
        page.goto(api + path)
        expect(page.locator("main")).to_contain_text(text)
        check_looks(page, name)


def test_a_letter_is_found_by_its_cause_edited_replayed_and_heals(
    page: Page, api: str, dead: Callable[[str], str]
) -> None:
    for cause in ("value", "value", "timeout"):
        dead(cause)
    wanted = dead("timeout")
    page.goto(api)
    notice = page.locator(".notices").get_by_role("link", name=f"{SLOW} has 4 dead letter(s)")
    notice.click(timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters")
    rows = page.get_by_role("region", name="What they died of").get_by_role("row")
    expect(rows.filter(has_text="TimeoutError")).to_contain_text("2")
    check_looks(page, "dead")
    page.get_by_role("link", name="TimeoutError").click()
    expect(page.get_by_role("region", name="Letters, the newest first")).not_to_contain_text(
        "value"
    )
    page.get_by_role("link", name=f"{wanted}~0").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("TimeoutError")
    expect(page.get_by_role("region", name="Traceback")).to_contain_text("no timeout")
    check_looks(page, "letter")
    arguments = page.get_by_label("Its arguments")
    expect(arguments).to_have_value('{\n  "cause": "timeout"\n}')
    arguments.fill('{"cause": 7}')
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("alert")).to_contain_text('cause: it does not fit type: "string"')
    check_looks(page, "letter-refused")
    page.go_back()
    arguments.fill('{"cause": "mended"}')
    page.get_by_role("button", name="Replay").click()
    _ended(page)
    expect(page.locator("#operation")).to_contain_text("1 of 1")
    check_looks(page, "operation")
    status = httpx.get(f"{api}/jobs/{wanted}", params={"wait": 20}, timeout=40).json()
    assert (status["state"], status["result"]) == ("SUCCESS", "sold in generation 1")
    page.goto(f"{api}/desk/jobs/{wanted}")
    expect(page.get_by_role("region", name="Arguments that were changed")).to_contain_text(
        "timeout"
    )
    check_looks(page, "job-edited")
    page.goto(f"{api}/desk/dead/{SLOW}/{wanted}~0")
    expect(page.get_by_role("alert")).to_contain_text("may have been replayed or discarded")


def test_what_is_chosen_is_counted_then_replayed_and_the_rest_discarded(
    page: Page, api: str, dead: Callable[[str], str]
) -> None:
    for cause in ("value", "timeout", "timeout"):
        dead(cause)
    page.goto(api + QUEUE)
    page.get_by_label("Exception").fill("TimeoutError")
    page.get_by_role("button", name="Search").click()
    page.get_by_label("No more than").fill("1")
    page.get_by_role("button", name="Replay …").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"Replay 1 of 2 letter(s) of {SLOW}?")
    check_looks(page, "forecast")
    page.get_by_role("button", name="Replay").click()
    _ended(page)
    assert _count(api) == 2
    page.goto(api + QUEUE)
    page.get_by_role("button", name="Discard …").click()
    expect(page.get_by_role("alert")).to_contain_text("say why the letters are discarded")
    page.go_back()
    page.get_by_label("Why, if they are discarded").fill("nobody wants them")
    page.get_by_role("button", name="Discard …").click()
    expect(heading).to_have_text(f"Discard 2 of 2 letter(s) of {SLOW}?")
    page.get_by_role("button", name="Discard").click()
    _ended(page)
    assert _count(api) == 0
    page.goto(f"{api}/desk/operations")
    expect(page.locator("#operations tbody tr").first).to_contain_text("discard")
    check_looks(page, "operations")
    page.goto(f"{api}/desk/audit")
    row = page.locator("tbody tr").filter(has_text="nobody wants them").first
    expect(row).to_contain_text("desk:loopback")
    check_looks(page, "audit")


def test_a_replay_is_seen_to_go_on_and_cancelled(
    page: Page, api: str, dead: Callable[[str], str]
) -> None:
    for _ in range(3):
        dead("value")
    page.goto(api + QUEUE)
    page.get_by_label("A second, at most").fill("0.01")
    page.get_by_role("button", name="Replay …").click()
    page.get_by_role("button", name="Replay").click()
    # The first goes at once; without a reload it is seen.
    expect(page.locator("#operation")).to_contain_text("1 of 3", timeout=40_000)
    check_looks(page, "operation-running")
    page.get_by_role("button", name="Cancel").click()
    _ended(page, "cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=20_000)
    assert _count(api) == 2


def test_the_keyboard_is_enough(page: Page, api: str, dead: Callable[[str], str]) -> None:
    job_id = dead("value")
    page.goto(api + QUEUE)
    tab_to(page, f"{job_id}~0")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("ValueError")
    tab_to(page, "Replay")
    page.keyboard.press("Enter")
    _ended(page)


def test_what_was_written_by_others_is_text(
    page: Page, api: str, dead: Callable[[str], str], place: Place
) -> None:
    dead("value")
    page.goto(f"{api}/desk/dead?text=%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.get_by_label("Text in message")).to_have_value("<script>alert(1)</script>")
    expect(page.locator("main")).to_contain_text("No dead letter is like that")
    assert page.locator("main script").count() == 0
    for path in ("/desk/dead?cursor=zz", "/desk/operations/no-such", f"/desk/dead/{SLOW}/no-such"):
        answer = page.goto(api + path)
        assert answer is not None
        assert answer.status in (404, 422)
        expect(page.get_by_role("alert")).to_have_text(re.compile(r"\w"))
