"""Sessions of the dashboard: a cookie that stands for an API key. The store keeps only its hash."""

from __future__ import annotations

import secrets
from hashlib import sha256

from warrener.settings import Settings
from warrener.store import Store

COOKIE = "warrener_session"
LIFETIME = 12 * 3600
"""Seconds after which one must sign in again."""


class Sessions:
    """Opens, finds and ends sessions. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._prefix = f"{settings.namespace}:session"

    def _name(self, token: str) -> str:
        return f"{self._prefix}:{sha256(token.encode()).hexdigest()}"

    async def open(self, key_id: str) -> str:
        """Open a session for the API key of this id: its token."""
        token = secrets.token_urlsafe(32)
        async with self._store.reachable():
            await self._store.client.set(self._name(token), key_id, ex=LIFETIME)
        return token

    async def key_id(self, token: str) -> str | None:
        """The API key that a session stands for; None for one that is over or was never opened."""
        async with self._store.reachable():
            found: bytes | None = await self._store.client.get(self._name(token))  # type: ignore[assignment]
        return found.decode() if found else None

    async def end(self, token: str) -> None:
        """End a session."""
        async with self._store.reachable():
            await self._store.client.delete(self._name(token))
