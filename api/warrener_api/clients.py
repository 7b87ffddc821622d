"""What an app talks to in this process."""

from __future__ import annotations

from warrener import Warrener
from warrener.client import Client


def client_of(app: Warrener) -> Client:
    """The app's client on this loop."""
    backend = app.backend()
    assert isinstance(backend, Client)
    return backend
