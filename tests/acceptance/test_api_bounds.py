"""Numbers that are too large, or none: over HTTP they are refused as problems, whatever field has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from warrener_api import create_app

from .place import Place, http_of
from .shop import FAST, app

HUGE = "99999999999999999999"
NUMBERS = [HUGE, f"-{HUGE}", "1e400", "-1e400", "inf", "nan", "1.5", "", "x", "9" * 5000]
DEAD = f"/dead-letters/{FAST}"
JOB = '{"task": "shop.add", "kwargs": {"a": %s}}'
WHEN = '{"task": "shop.add", "kwargs": {"a": 1}, "%s": %s}'
WEB = create_app(app)
"""For all of them: making one takes longer than the test."""


@pytest_asyncio.fixture
async def http(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    async with place.app(), http_of(WEB) as http:
        yield http


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
@pytest.mark.parametrize("path", [f"{DEAD}?min_attempts=", f"{DEAD}?size=", "/jobs/some-id?wait="])
async def test_a_query_that_is_out_of_bounds_is_a_problem(
    http: httpx.AsyncClient, path: str, number: str
) -> None:
    if path.endswith("wait=") and number == "1.5":
        number = "60.5"
    response = await http.get(path + number)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["type"]) == (422, "urn:warrener:invalid-request")
    assert response.json()["errors"][0]["at"].startswith("query.")


@pytest.mark.parametrize("cursor", ["00", "7f" * 400, "ff"])
async def test_a_cursor_of_no_page_finds_nothing_worse_than_a_page(
    http: httpx.AsyncClient, cursor: str
) -> None:
    response = await http.get(f"{DEAD}?cursor={cursor}&size=1000")
    assert (response.status_code, response.json()["items"]) == (200, [])


async def _refused(http: httpx.AsyncClient, place: Place, path: str, body: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    response = await http.post(path, content=body, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code in (400, 422), response.text
    assert await place.messages() == {}
    problem: dict[str, Any] = response.json()
    return problem


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    "path, body",
    [
        ("/jobs", WHEN % ("countdown", "%s")),
        ("/jobs", WHEN % ("eta", "%s")),
        ("/jobs", JOB),
        ("/jobs", '{"task": "shop.weigh", "kwargs": {"box": {"grams": 1, "more": [%s]}}}'),
        ("/jobs", '{"task": "shop.add", "args": [1, %s]}'),
        (f"{DEAD}/replay", '{"all": true, "limit": %s}'),
    ],
)
async def test_what_no_float_holds_is_no_number(
    http: httpx.AsyncClient, place: Place, path: str, body: str, number: str
) -> None:
    problem = await _refused(http, place, path, body % number)
    assert (problem["status"], problem["type"]) == (400, "urn:warrener:invalid-json")


@pytest.mark.parametrize("number", [HUGE, f"-{HUGE}", "1e308", "-1e308", "9" * 5000])
@pytest.mark.parametrize(
    "path, body",
    [
        ("/jobs", WHEN % ("countdown", "%s")),
        ("/jobs", WHEN % ("eta", "%s")),
        (f"{DEAD}/replay", '{"all": true, "limit": %s}'),
    ],
)
async def test_a_number_that_is_out_of_bounds_is_a_problem(
    http: httpx.AsyncClient, place: Place, path: str, body: str, number: str
) -> None:
    await _refused(http, place, path, body % number)


@pytest.mark.parametrize(
    "eta", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2999-01-01T00:00:00Z"]
)
async def test_a_time_at_the_ends_of_the_calendar_is_no_fault_of_ours(
    http: httpx.AsyncClient, eta: str
) -> None:
    response = await http.post(
        "/jobs", json={"task": "shop.wait_in_line", "kwargs": {"number": 1}, "eta": eta}
    )
    assert response.status_code in (202, 422), response.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
@pytest.mark.parametrize("path", ["/jobs", f"{DEAD}/replay"])
async def test_another_content_type_is_refused_wherever_a_body_is_read(
    http: httpx.AsyncClient, path: str, kind: str
) -> None:
    response = await http.post(path, content="{}", headers={"Content-Type": kind})
    assert response.status_code == 415
    assert response.json()["type"] == "urn:warrener:unsupported-media-type"
