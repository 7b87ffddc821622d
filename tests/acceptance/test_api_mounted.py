"""warrener_api.router(app) in somebody's own FastAPI app, under a prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest
from fastapi import Depends, FastAPI, HTTPException
from yarl import URL

from warrener import Warrener
from warrener_api import create_app, router

from . import shop
from .place import Place, http_of

PREFIX = "/background"
BODY = {"task": "shop.wait_in_line", "kwargs": {"number": 1}}


def _users_app(app: Warrener, events: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        events.append("opened")
        yield
        events.append("closed")

    users = FastAPI(lifespan=lifespan)

    @users.get("/jobs/{job_id}")
    async def get_job(job_id: str) -> str:
        return f"the user's own {job_id}"

    users.include_router(router(app), prefix=PREFIX)
    return users


@asynccontextmanager
async def _serving(users: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with users.router.lifespan_context(users), http_of(users) as http:
        yield http


def _connections(place: Place) -> int:
    ports = {URL(place.amqp_url).port, URL(place.redis_url).port}
    found = psutil.Process().net_connections("tcp")
    return sum(c.status == "ESTABLISHED" and bool(c.raddr) and c.raddr.port in ports for c in found)


async def test_the_location_has_the_prefix_and_leads_to_the_job(place: Place) -> None:
    async with place.app() as app, _serving(_users_app(app, [])) as http:
        accepted = await http.post(f"{PREFIX}/jobs", json=BODY)
        job_id = accepted.json()["id"]
        assert accepted.status_code == 202
        assert accepted.headers["location"] == f"{PREFIX}/jobs/{job_id}"
        found = await http.get(accepted.headers["location"])
        own = await http.get("/jobs/7")
    assert (found.status_code, found.json()["id"]) == (200, job_id)
    assert own.json() == "the user's own 7"


@pytest.mark.parametrize("posted_to", ["/behind/jobs", "/jobs"])
async def test_the_location_is_right_behind_a_proxy(place: Place, posted_to: str) -> None:
    """The path holds its root by the ASGI specification; not every set-up follows it."""
    async with place.app() as app:
        transport = httpx.ASGITransport(create_app(app), root_path="/behind")
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            accepted = await http.post(posted_to, json=BODY)
    assert accepted.headers["location"] == f"/behind/jobs/{accepted.json()['id']}"


async def test_a_whole_app_can_be_mounted(place: Place) -> None:
    async with place.app() as app:
        outer = FastAPI()
        outer.mount("/v1", create_app(app))
        async with http_of(outer) as http:
            accepted = await http.post("/v1/jobs", json=BODY)
            found = await http.get(accepted.headers["location"])
    assert accepted.headers["location"] == f"/v1/jobs/{accepted.json()['id']}"
    assert found.json()["id"] == accepted.json()["id"]


async def test_the_lifespan_closes_the_connections_and_keeps_the_users_own(place: Place) -> None:
    events: list[str] = []
    async with place.app() as app:
        async with _serving(_users_app(app, events)) as http:
            assert (await http.get(f"{PREFIX}/readyz")).status_code == 200
            assert _connections(place) >= 2
            assert events == ["opened"]
        assert _connections(place) == 0
    assert events == ["opened", "closed"]


@pytest.mark.parametrize(
    "method, path, status, kind",
    [
        ("POST", "/jobs", 415, "unsupported-media-type"),
        ("GET", "/jobs/never-sent", 404, "job-not-found"),
        ("GET", "/jobs/never-sent?wait=soon", 422, "invalid-request"),
        ("GET", "/dead-letters/shop.*", 422, "queue-name-error"),
        ("POST", "/dead-letters/shop.nowhere/replay", 415, "unsupported-media-type"),
    ],
)
async def test_errors_are_problems_there_too(
    place: Place, method: str, path: str, status: int, kind: str
) -> None:
    async with place.app() as app, _serving(_users_app(app, [])) as http:
        response = await http.request(method, PREFIX + path)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["type"]) == (status, f"urn:warrener:{kind}")


async def test_an_unexpected_error_says_no_more_than_that_it_happened(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret")

    async with place.app() as app, _serving(_users_app(app, [])) as http:
        monkeypatch.setattr(app, "backend", broken)
        response = await http.get(f"{PREFIX}/jobs/some-id")
    assert (response.status_code, response.json()["type"]) == (500, "urn:warrener:internal-error")
    assert "secret" not in response.text


async def test_a_dependency_of_the_users_can_refuse(place: Place) -> None:
    def nobody() -> None:
        raise HTTPException(401, "Who are you?", {"WWW-Authenticate": "Bearer"})

    async with place.app() as app:
        users = FastAPI()
        users.include_router(router(app), dependencies=[Depends(nobody)])
        async with http_of(users) as http:
            response = await http.post("/jobs", json=BODY)
    assert (response.status_code, response.json()["type"]) == (401, "urn:warrener:unauthorized")
    assert response.json()["detail"] == "Who are you?"
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("whole", [True, False])
async def test_pages_of_other_sites_are_refused_where_no_keys_are_asked_for(
    place: Place, whole: bool
) -> None:
    async with place.app() as app:
        users = create_app(app, protected=False) if whole else FastAPI()
        if not whole:
            users.include_router(router(app, protected=False))
        evil = {"origin": "https://evil.example"}
        async with http_of(users) as http:
            for path in ("/jobs", "/queues/shop.fast/pause", "/desk/dead/begin"):
                for headers in (evil, {"sec-fetch-site": "cross-site"}):
                    refused = await http.post(path, json=BODY, headers=headers)
                    assert refused.status_code == 403, path
                    assert "a page of another site" in refused.text
            own = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
            assert (await http.post("/jobs", json=BODY, headers=own)).status_code == 202
            token = {**evil, "authorization": "Bearer of-the-users-own"}
            assert (await http.post("/jobs", json=BODY, headers=token)).status_code == 202
            assert (await http.post("/jobs", json=BODY)).status_code == 202
            assert (await http.get("/queues", headers=evil)).status_code == 200


@pytest.mark.parametrize(
    "body, status, kind",
    [
        (b"{x", 400, "invalid-json"),
        (b"\xff", 400, "invalid-json"),
        (b"[]", 422, "invalid-request"),
        (b'{"every": true}', 422, "invalid-request"),
        (b"{}", 422, "configuration-error"),
    ],
)
async def test_a_replay_that_cannot_be_read_is_a_problem(
    place: Place, body: bytes, status: int, kind: str
) -> None:
    async with place.app() as app, _serving(_users_app(app, [])) as http:
        path, headers = (
            f"{PREFIX}/dead-letters/shop.fast/replay",
            {"Content-Type": "application/json"},
        )
        response = await http.post(path, content=body, headers=headers)
    assert (response.status_code, response.json()["type"]) == (status, f"urn:warrener:{kind}")
    assert response.json()["detail"]


async def test_two_apps_in_one_web_app_keep_apart(place: Place) -> None:
    other = Warrener(settings=place.settings)

    @other.task(name="other.task", queue=shop.IDLE)
    def task() -> None: ...

    async with place.app() as app, place.app(other):
        both = FastAPI()
        both.include_router(router(app), prefix="/one")
        both.include_router(router(other), prefix="/two")
        async with http_of(both) as http:
            accepted = await http.post("/two/jobs", json={"task": "other.task"})
            refused = await http.post("/one/jobs", json={"task": "other.task"})
    assert accepted.headers["location"] == f"/two/jobs/{accepted.json()['id']}"
    assert refused.json()["type"] == "urn:warrener:unknown-task"
