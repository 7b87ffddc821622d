"""What FastAPI says of itself: the OpenAPI document, behind the gate, and the page that shows it. What that
needs comes from here: a script from elsewhere would act as whoever is signed in."""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from importlib.resources import files
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from warrener import StoreUnavailable, Warrener

from .published import published, with_published
from .security import Gate

ASSETS = "docs/assets"
"""Where the page's files are, as seen from it: the app may be mounted anywhere."""


def add_documents(fastapi_app: FastAPI, app: Warrener, *, protected: bool) -> None:
    """Add both. The document names all tasks, so that a `protected` one asks for a key as all else does."""
    guards = [Depends(Gate(app).admit)] if protected else []
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Warrener",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    )
    policy = {"Content-Security-Policy": _policy(bytes(page.body).decode())}

    @fastapi_app.get("/openapi.json", include_in_schema=False, dependencies=guards)
    async def openapi() -> dict[str, Any]:
        document = fastapi_app.openapi()
        with suppress(StoreUnavailable):
            return with_published(document, app, await published(app))
        return document

    @fastapi_app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(page.body, headers=policy)

    static = files("fastapi_offline") / "static"
    fastapi_app.mount(f"/{ASSETS}", StaticFiles(directory=str(static)))


def _policy(page: str) -> str:
    """Nothing from elsewhere, and of scripts in the page only those that it has now (W3C, Content Security
    Policy Level 3, §2.3.1)."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [f"'sha256-{b64encode(sha256(s.encode()).digest()).decode()}'" for s in scripts]
    return (
        f"default-src 'none'; script-src 'self' {' '.join(hashes)}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    )
