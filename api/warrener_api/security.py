"""Who may call: API keys with roles. Closed by default: a route that says nothing wants `read` for a GET
and `operate` for everything else, and while no key exists, only this machine is served."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from warrener import Warrener
from warrener.api_keys import ApiKey, KeyRing, Role

from .answering import promptly
from .clients import client_of
from .sessions import COOKIE, Sessions

MEMORY = 5.0
"""Seconds for which what the store said of keys is believed: so long a revoked one may still work, and an
API without keys stays open to this machine once there is one."""

FOR_ANYONE = frozenset({"sign_in", "signing_in", "asset"})
"""Routes, by name, that lead in. Those that probes call do not come here."""
OF_ROLES = {
    "submit_job": (Role.SUBMIT,),
    "submit_batch": (Role.SUBMIT,),
    "get_job": (Role.SUBMIT, Role.READ),
    "follow_job": (Role.SUBMIT, Role.READ),
    "submit_workflow": (Role.SUBMIT,),
    "get_workflow": (Role.SUBMIT, Role.READ),
    "openapi": (Role.SUBMIT, Role.READ),
    "sign_out": (Role.SUBMIT, Role.READ),
}
"""Routes, by name, that keys of these roles may call."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")

_bearer = HTTPBearer(auto_error=False, description="An API key: `warrener keys create`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `id` tells the keys apart, and is empty where there are none."""

    id: str
    name: str


NOBODY = Caller("", "anyone")
LOOPBACK = Caller("", "loopback")


class Gate:
    """Lets calls of one app in, or not."""

    def __init__(self, app: Warrener, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._found: dict[str, tuple[float, ApiKey]] = {}
        self._exist = (-math.inf, False)

    async def admit(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        """Return if the caller may, and leave who it is with the request. Raises HTTPException,
        StoreUnavailable."""
        # Not with the call's own time, which may be a minute longer: a store that hangs is noticed here.
        async with promptly(self._app):
            request.state.caller = await self._caller(request, bearer)

    async def _caller(
        self, request: Request, bearer: HTTPAuthorizationCredentials | None
    ) -> Caller:
        name: str = request.scope["route"].name
        if name in FOR_ANYONE:
            return NOBODY
        if bearer is None:
            check_origin(request)
        cookie = request.cookies.get(COOKIE)
        if bearer is not None:
            key = await self._of_token(bearer.credentials)
        elif cookie is not None and await self._any_keys():
            key = await self._of_session(cookie)
        else:
            return await self._without_a_key(request)
        if key is None:
            raise _who("This API key is wrong, revoked or expired.")
        roles = OF_ROLES.get(name) or (Role.READ if _only_reads(request) else Role.OPERATE,)
        if not key.allows(roles):
            raise HTTPException(
                403,
                f"The API key {key.name!r} has the role {_joined(key.roles)}, and this call wants "
                f"{_joined(roles)}: use another key, or have one made (`warrener keys create`).",
            )
        return Caller(key.id, key.name)

    async def _without_a_key(self, request: Request) -> Caller:
        if await self._any_keys():
            raise _who("Send an API key: `Authorization: Bearer wrn_…`.")
        if not _is_local(request):
            raise HTTPException(
                403,
                "While no API key exists, only this machine itself is served, under a loopback name: "
                "make a key with `warrener keys create`.",
            )
        return LOOPBACK

    async def _of_session(self, token: str) -> ApiKey | None:
        sessions = Sessions(self._app.settings, client_of(self._app).store)
        key_id = await sessions.key_id(token)
        return await self._ring.of(key_id) if key_id else None

    async def _of_token(self, token: str) -> ApiKey | None:
        now = self._clock()
        since, known = self._found.get(token, (-math.inf, None))
        if now - since < MEMORY:
            return known
        self._found = {one: found for one, found in self._found.items() if now - found[0] < MEMORY}
        key = await self._ring.find(token)
        if key is not None:  # a wrong one is not remembered: anybody can send any number of them
            self._found[token] = (now, key)
        return key

    async def _any_keys(self) -> bool:
        now = self._clock()
        if now - self._exist[0] >= MEMORY:
            self._exist = (now, await self._ring.exist())
        return self._exist[1]

    @property
    def _ring(self) -> KeyRing:
        client = client_of(self._app)
        return KeyRing(self._app.settings, client.store, client.clock)


def caller_of(request: Request) -> Caller:
    """Who calls; without a gate, whoever the surrounding app lets through."""
    caller: Caller = getattr(request.state, "caller", NOBODY)
    return caller


async def same_site(request: Request) -> None:
    """What stands where no keys are asked for: see check_origin. A bearer token is no browser's to add."""
    if not request.headers.get("authorization", "").lower().startswith("bearer "):
        check_origin(request)


def check_origin(request: Request) -> None:
    """Refuse what a page of another site had a browser send. A browser says whose page it was, in
    Sec-Fetch-Site (Fetch Metadata) or Origin; a program says neither."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if not _only_reads(request) and (foreign or site not in ("same-origin", "none")):
        raise HTTPException(403, "This was sent by a page of another site, and is refused.")


def _only_reads(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def _who(detail: str) -> HTTPException:
    # RFC 6750 §3: whoever does not say who they are is told how to.
    return HTTPException(401, detail, {"WWW-Authenticate": 'Bearer realm="warrener"'})


def _joined(roles: Iterable[Role]) -> str:
    return " or ".join(roles)


def _is_local(request: Request) -> bool:
    """True if a program of this machine calls under a name of this machine: a page of somebody else's,
    whose name was made to lead here (DNS rebinding), comes under its own, and a proxy says for whom."""
    forwarded = any(name in request.headers for name in _FORWARDED)
    peer = request.client.host if request.client else ""
    return not forwarded and _is_loopback(peer) and _is_loopback(request.url.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
