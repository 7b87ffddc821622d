"""Who may call the API: keys and their roles, and this machine alone while there are none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from warrener import ApiKeyNotFound, ConfigurationError, Warrener
from warrener.api_keys import KeyRing, Role
from warrener_api import create_app, router
from warrener_api.security import FOR_ANYONE, OF_ROLES

from .place import Place
from .shop import app as shop_app

STRANGER = ("192.0.2.7", 4711)
"""An address of other machines (RFC 5737)."""
JOB = {"task": "shop.add", "kwargs": {"a": 1}}


@pytest_asyncio.fixture(autouse=True)
async def no_keys(place: Place) -> AsyncIterator[None]:
    yield
    async with place.client() as client:
        await client.store.client.delete(f"{place.namespace}:api-keys")


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked at each call."""
    monkeypatch.setattr("warrener_api.security.MEMORY", 0.0)


@asynccontextmanager
async def calling(
    web: FastAPI, token: str | None = None, peer: tuple[str, int] = ("127.0.0.1", 1), **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    transport = httpx.ASGITransport(web, client=peer)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000", headers=headers
    ) as http:
        yield http


async def make_key(place: Place, *roles: Role, lifetime: float | None = None) -> tuple[str, str]:
    """The id and the token of a new key."""
    async with place.client() as client:
        ring = KeyRing(place.settings, client.store, client.clock)
        key, token = await ring.create("somebody", roles, lifetime)
    return key.id, token


async def status_of(
    web: FastAPI, token: str | None, method: str = "GET", path: str = "/queues"
) -> int:
    async with calling(web, token) as http:
        return (await http.request(method, path)).status_code


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("urn:warrener:")


# Without keys ----------------------------------------------------------------------------------------


async def test_without_keys_this_machine_is_served(place: Place) -> None:
    async with place.app() as app, calling(create_app(app)) as http:
        assert (await http.get("/queues")).status_code == 200
        assert (await http.post("/jobs", json=JOB)).status_code == 202


@pytest.mark.parametrize(
    "peer, headers",
    [
        (STRANGER, {}),
        (("127.0.0.1", 1), {"host": "rebound.example"}),
        (("127.0.0.1", 1), {"x-forwarded-for": "127.0.0.1"}),
        (("127.0.0.1", 1), {"forwarded": "for=127.0.0.1"}),
    ],
    ids=["another machine", "a name of others", "a proxy", "a proxy by the standard"],
)
async def test_without_keys_nobody_else_is(
    place: Place, peer: tuple[str, int], headers: dict[str, str]
) -> None:
    async with place.app() as app, calling(create_app(app), peer=peer, **headers) as http:
        refused = await http.post("/jobs", json=JOB)
        assert problem(refused) == (403, "forbidden")
        assert "warrener keys create" in refused.json()["detail"]
        assert (await http.get("/openapi.json")).status_code == 403
        assert (await http.get("/healthz")).status_code == 200


async def test_unprotected_anyone_is_served(place: Place) -> None:
    async with place.app() as app:
        mounted = FastAPI()
        mounted.include_router(router(app, protected=False))
        for web in (create_app(app, protected=False), mounted):
            async with calling(web, peer=STRANGER, host="anything.example") as http:
                assert (await http.post("/jobs", json=JOB)).status_code == 202
                assert (await http.get("/openapi.json")).status_code == 200


# With keys -------------------------------------------------------------------------------------------


async def test_once_there_are_keys_even_this_machine_needs_one(place: Place) -> None:
    await make_key(place, Role.READ, lifetime=-1.0)
    async with place.app() as app, calling(create_app(app)) as http:
        refused = await http.get("/queues")
    assert problem(refused) == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == 'Bearer realm="warrener"'


async def test_metrics_are_for_keys_that_read(place: Place) -> None:
    tokens = [(await make_key(place, role))[1] for role in (Role.SUBMIT, Role.READ)]
    async with place.app() as app:
        web = create_app(app)
        found = [await status_of(web, token, path="/metrics") for token in (None, *tokens)]
    assert found == [401, 403, 200]


async def test_only_a_whole_key_that_stands_is_taken(place: Place) -> None:
    key_id, token = await make_key(place, Role.READ)
    _, expired = await make_key(place, Role.READ, lifetime=-1.0)
    _, other = await make_key(place, Role.READ)
    crossed = f"wrn_{key_id}_{other.rpartition(f'{other[4:16]}_')[2]}"
    wrong = ["", "wrn_", token[:-1], f"{token}x", crossed, expired, f"wrn_{'0' * 12}_{'x' * 43}"]
    async with place.app() as app:
        web = create_app(app)
        assert await status_of(web, token) == 200
        assert {text: await status_of(web, text) for text in wrong} == dict.fromkeys(wrong, 401)
        async with place.client() as client:
            ring = KeyRing(place.settings, client.store, client.clock)
            await ring.revoke(key_id)
            with pytest.raises(ApiKeyNotFound, match=f"the id '{key_id}'"):
                await ring.revoke(key_id)
        assert await status_of(web, token) == 401


async def test_a_key_that_came_through_is_asked_for_again_after_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warrener_api.security.MEMORY", 1000.0)
    key_id, token = await make_key(place, Role.READ)
    async with place.app() as app:
        web = create_app(app)
        assert await status_of(web, token) == 200
        async with place.client() as client:
            await KeyRing(place.settings, client.store, client.clock).revoke(key_id)
        assert await status_of(web, token) == 200
        monkeypatch.setattr("warrener_api.security.MEMORY", 0.0)
        assert await status_of(web, token) == 401


def _operations(web: FastAPI) -> Iterable[tuple[str, str, str]]:
    """Name, method and path of each call there is."""
    yield "openapi", "GET", "/openapi.json"
    yield "page_overview", "GET", "/"
    yield "page_queues", "GET", "/desk/queues"
    yield "sign_in", "GET", "/desk/sign-in"
    yield "asset", "GET", "/desk/assets/desk.css"
    for path, methods in web.openapi()["paths"].items():
        for method, operation in methods.items():
            # A stream without an end, were the request not wrong.
            wrong = f"?queue={'x' * 300}" if path == "/events" else ""
            plain = path.replace("{", "").replace("}", "") + wrong
            yield operation["operationId"], method.upper(), plain


WEB = create_app(shop_app)
"""For all that ask the store at each call: making one takes longer than most of the tests."""
OPERATIONS = list(_operations(WEB))


def test_every_route_with_rules_of_its_own_exists() -> None:
    by_forms = {"signing_in", "sign_out"}
    assert {name for name, _, _ in OPERATIONS} | by_forms >= FOR_ANYONE | OF_ROLES.keys()


@pytest.mark.parametrize("name, method, path", OPERATIONS)
async def test_what_each_role_may_call(place: Place, name: str, method: str, path: str) -> None:
    """The bodies are wrong, so that nothing happens: who may not is refused before they are read."""
    anyone = name in FOR_ANYONE or name in ("is_alive", "is_ready")
    opened = {None, *Role} if anyone else {Role.OPERATE}
    if name in OF_ROLES:
        opened |= {*OF_ROLES[name]}
    elif method == "GET":
        opened |= {Role.READ}
    tokens: dict[Role | None, str | None] = {None: None}
    for role in Role:
        _, tokens[role] = await make_key(place, role)
    async with place.app():
        found = {role: await _answer(WEB, token, method, path) for role, token in tokens.items()}
    refused = {role: 401 if role is None else 403 for role in tokens if role not in opened}
    assert {role: status for role, status in found.items() if status in (401, 403)} == refused


async def _answer(web: FastAPI, token: str | None, method: str, path: str) -> int:
    async with calling(web, token) as http:
        body: Any = (
            {}
            if method in ("GET", "DELETE")
            else {"content": b"[]", "headers": {"content-type": "application/json"}}
        )
        async with http.stream(method, path, **body) as response:
            led_to_sign_in = response.headers.get("location", "").endswith("desk/sign-in")
            return 401 if led_to_sign_in else response.status_code


async def test_two_roles_are_both(place: Place) -> None:
    _, token = await make_key(place, Role.SUBMIT, Role.READ)
    async with place.app() as app, calling(create_app(app), token) as http:
        assert (await http.post("/jobs", json=JOB)).status_code == 202
        assert (await http.get("/queues")).status_code == 200
        refused = await http.delete("/jobs/some-id")
    assert problem(refused) == (403, "forbidden")
    assert (
        "'somebody' has the role read or submit, and this call wants operate"
        in refused.json()["detail"]
    )


async def test_two_callers_with_one_idempotency_key_get_two_jobs(place: Place) -> None:
    ids = []
    async with place.app() as app:
        for _ in range(2):
            _, token = await make_key(place, Role.SUBMIT)
            async with calling(create_app(app), token) as http:
                http.headers["idempotency-key"] = "same"
                first, again = [(await http.post("/jobs", json=JOB)).json()["id"] for _ in range(2)]
                assert first == again
                ids.append(first)
    assert ids[0] != ids[1]


async def test_the_document_says_how_to_sign_in(place: Place) -> None:
    document = create_app(Warrener()).openapi()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    operation = document["paths"]["/queues"]["get"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert {"401", "403"} <= operation["responses"].keys()


# At rest, and on the command line --------------------------------------------------------------------


async def test_the_store_keeps_no_secret(place: Place) -> None:
    _, token = await make_key(place, Role.READ)
    async with place.client() as client:
        texts: Any = await client.store.client.hvals(f"{place.namespace}:api-keys")
    assert len(texts) == 1
    assert token[17:].encode() not in texts[0]


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 65])
async def test_a_name_can_be_shown(place: Place, name: str) -> None:
    async with place.client() as client:
        with pytest.raises(ConfigurationError, match="cannot name an API key"):
            await KeyRing(place.settings, client.store, client.clock).create(name, [Role.READ])


async def test_keys_are_made_listed_and_revoked_on_the_command_line(place: Place) -> None:
    done = place.run("keys", "create", "ci", "--role", "submit", "--role", "read", "--days", "30")
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    async with place.app() as app:
        assert await status_of(create_app(app), token) == 200
        listed = place.run("keys", "list", "--json")
        [key] = json.loads(listed.stdout)
        assert (key["name"], key["roles"]) == ("ci", ["read", "submit"])
        assert key["expires"] - key["created"] == pytest.approx(30 * 86_400)
        assert token[17:] not in listed.stdout
        assert "ci" in place.run("keys", "list").stdout
        assert place.run("keys", "revoke", key["id"]).returncode == 0
        assert place.run("keys", "revoke", key["id"]).returncode == 5
        assert "serves this machine alone" in place.run("keys", "list").stdout
