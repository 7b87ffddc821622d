"""Signing in with an API key, and each way around it that should not work."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from ..place import Place
from .conftest import check_looks


def _make_key(place: Place, role: str) -> str:
    done = place.run("keys", "create", "mx", "--role", role)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    """A key for reading: from now on the API is closed."""
    return _make_key(place, "read")


@pytest.fixture
def closed(api: str, key: str) -> str:
    """The address of an API that has heard of the key."""
    with httpx.Client(base_url=api) as http:
        while http.get("/queues").status_code != 401:
            pass
    return api


def _sign_in(page: Page, address: str, key: str) -> None:
    page.goto(address)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_one_signs_in_with_a_key_and_out_again(page: Page, closed: str, key: str) -> None:
    page.goto(f"{closed}/desk/queues")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    check_looks(page, "sign-in")
    _sign_in(page, closed, key)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.locator(".who")).to_contain_text("mx")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert key[17:] not in cookie["value"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.context.cookies() == []
    # The session is over, not only its cookie gone.
    page.context.add_cookies([cookie])  # type: ignore[list-item]
    page.goto(closed)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_wrong_key_is_told_so(page: Page, closed: str, key: str) -> None:
    answer = httpx.post(f"{closed}/desk/sign-in", data={"key": key[:-1]})
    assert answer.status_code == 401
    assert "This key is wrong, revoked or expired" in answer.text
    assert "set-cookie" not in answer.headers
    assert key[:-1] not in answer.text


@pytest.mark.parametrize("value", ["", "forged", "../../x", "a" * 5000])
def test_a_forged_cookie_opens_nothing(closed: str, value: str) -> None:
    for path in ("/", "/queues"):
        answer = httpx.get(closed + path, headers={"cookie": f"warrener_session={value}"})
        assert answer.status_code in (303, 401)


def test_a_session_is_no_key(page: Page, closed: str, key: str) -> None:
    _sign_in(page, closed, key)
    [cookie] = page.context.cookies()
    headers = {"authorization": f"Bearer {cookie['value']}"}
    for _ in range(2):
        assert httpx.get(f"{closed}/queues", headers=headers).status_code == 401
        cookies = {"cookie": f"warrener_session={cookie['value']}"}
        assert httpx.get(f"{closed}/queues", headers=cookies).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_what_another_site_sends_is_refused(closed: str, key: str, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=closed) as http:
        assert http.post("/desk/sign-in", data={"key": key}, headers=headers).status_code == 403
        assert http.post("/desk/sign-in", data={"key": key}).status_code == 303
        assert http.get("/queues").status_code == 200
        for path in ("/desk/sign-out", "/jobs"):
            refused = http.post(path, json={"task": "shop.add"}, headers=headers)
            assert refused.status_code == 403
            assert "a page of another site" in refused.text
        assert http.get("/queues").status_code == 200


def test_what_is_asked_for_begins_no_header_of_its_own(closed: str, key: str) -> None:
    with httpx.Client(base_url=closed) as http:
        assert http.post("/desk/sign-in", data={"key": key}).status_code == 303
        answer = http.get("/desk/jobs?id=a%0d%0aSet-Cookie:%20b=c")
    assert answer.status_code == 303
    assert answer.headers["location"] == "jobs/a%0D%0ASet-Cookie%3A%20b%3Dc"
    assert "set-cookie" not in answer.headers


def test_a_session_has_the_roles_of_its_key(closed: str, key: str) -> None:
    with httpx.Client(base_url=closed) as http:
        assert http.post("/desk/sign-in", data={"key": key}).status_code == 303
        refused = http.post("/jobs", json={"task": "shop.add", "kwargs": {"a": 1}})
    assert refused.status_code == 403


def test_every_page_says_what_may_be_loaded(closed: str) -> None:
    answer = httpx.get(f"{closed}/desk/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


@pytest.mark.parametrize(
    "name", ["../rendering.py", "..%2frendering.py", "no.css", "live.js.map", ""]
)
def test_only_assets_are_assets(closed: str, name: str) -> None:
    answer = httpx.get(f"{closed}/desk/assets/{name}")
    assert answer.status_code in (303, 404)
    assert "def " not in answer.text


def test_a_form_has_a_limit(closed: str) -> None:
    answer = httpx.post(f"{closed}/desk/sign-in", content=b"key=" + b"x" * 1_000_001)
    assert answer.status_code == 413
