"""What uvicorn serves: the app named by WARRENER_APP (`uvicorn --factory warrener_api.serve:app`), or
without one the tasks that workers have published, to those who have API keys, or with
WARRENER_UNPROTECTED=1 to anyone."""

from __future__ import annotations

import os

from fastapi import FastAPI

from warrener import Warrener
from warrener.loading import load_app

from .app import create_app
from .ending import notice


def app() -> FastAPI:
    """The FastAPI app. Raises AppImportError."""
    path = os.environ.get("WARRENER_APP", "")
    notice()
    protected = not os.environ.get("WARRENER_UNPROTECTED")
    return create_app(load_app(path) if path else Warrener(), protected=protected)
