"""Signing in with an API key, and out."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from warrener import Warrener
from warrener.api_keys import KeyRing

from ..clients import client_of
from ..security import check_origin
from ..sessions import COOKIE, LIFETIME, Sessions
from .forms import form_of
from .rendering import HEADERS, asset, page_class, render


def routes(app: Warrener) -> APIRouter:
    """Signing in and out, and what pages load."""
    router = APIRouter(route_class=page_class(app), include_in_schema=False)

    @router.get("/desk/sign-in")
    async def sign_in(request: Request) -> Response:
        return render(request, "sign_in.html", wrong=False)

    @router.post("/desk/sign-in")
    async def signing_in(request: Request) -> Response:
        check_origin(request)
        client = client_of(app)
        given = (await form_of(request)).get("key", "").strip()
        key = await KeyRing(app.settings, client.store, client.clock).find(given)
        if key is None:
            return render(request, "sign_in.html", status=401, wrong=True)
        token = await Sessions(app.settings, client.store).open(key.id)
        answer = RedirectResponse("../", 303, HEADERS)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=LIFETIME,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/desk/sign-out")
    async def sign_out(request: Request) -> Response:
        if token := request.cookies.get(COOKIE):
            await Sessions(app.settings, client_of(app).store).end(token)
        answer = RedirectResponse("sign-in", 303, HEADERS)
        answer.delete_cookie(COOKIE)
        return answer

    @router.get("/desk/assets/{name}", name="asset")
    async def get_asset(name: str) -> Response:
        found = asset(name)
        if found is None:
            raise HTTPException(404, f"No asset is called {name!r}.")
        content, kind = found
        return Response(
            content, headers={**HEADERS, "Cache-Control": "max-age=300"}, media_type=kind
        )

    return router
