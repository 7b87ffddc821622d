"""A site scanner in three tasks: `warrener worker ... --app examples.scan:app`."""

from examples.scan.app import app

__all__ = ["app"]
