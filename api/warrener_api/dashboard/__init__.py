"""The dashboard: pages that the API serves, at / and below /desk."""

from .pages import pages

__all__ = ["pages"]
