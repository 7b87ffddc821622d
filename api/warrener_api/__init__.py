"""The HTTP side of Warrener: `router` to mount in an app of yours, `create_app` for one of its own."""

from .app import create_app, router

__all__ = ["create_app", "router"]
