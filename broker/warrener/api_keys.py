"""API keys: who may call the HTTP API, and what for. Kept in the store, without their secrets."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import orjson

from .errors import ApiKeyNotFound, ConfigurationError
from .fields import known
from .settings import Settings
from .store import Store

_TOKEN = re.compile(r"wrn_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}")
_SECRET_BYTES = 32
"""Of chance: too many to guess, so that a fast hash keeps them as well as a slow one would."""


class Role(StrEnum):
    """What a key is for. `operate` may do everything; the others only what they say."""

    SUBMIT = "submit"
    """Submit jobs, and look up those whose ids one knows."""
    READ = "read"
    """See everything, change nothing."""
    OPERATE = "operate"
    """Everything: revoke, purge, replay, discard."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the store keeps it. Times are Unix seconds; `digest` is the SHA-256 of its secret."""

    id: str
    name: str
    roles: list[Role]
    created: float
    digest: str
    expires: float | None = None

    def allows(self, roles: Sequence[Role]) -> bool:
        """True if it has one of these roles."""
        return Role.OPERATE in self.roles or any(role in self.roles for role in roles)


class KeyRing:
    """Makes, finds and revokes keys. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._key = f"{settings.namespace}:api-keys"

    async def create(
        self, name: str, roles: Sequence[Role], lifetime: float | None = None
    ) -> tuple[ApiKey, str]:
        """A new key, good for `lifetime` seconds or without end, and its token, which is shown this once:
        the store keeps only a hash of it. Raises ConfigurationError for a name that no list could show."""
        if not _NAME.fullmatch(name):
            reason = "use 1 to 64 characters, none of them a control character"
            raise ConfigurationError(message=f"{name!r} cannot name an API key: {reason}.")
        now, secret = self._clock(), secrets.token_urlsafe(_SECRET_BYTES)
        key = ApiKey(
            id=secrets.token_hex(6),
            name=name,
            roles=sorted(set(roles)),
            created=now,
            digest=_digest(secret),
            expires=None if lifetime is None else now + lifetime,
        )
        async with self._store.reachable():
            await self._store.client.hset(self._key, key.id, orjson.dumps(key))
        return key, f"wrn_{key.id}_{secret}"

    async def all(self) -> list[ApiKey]:
        """All keys, the oldest first; those that have expired as well."""
        async with self._store.reachable():
            texts = await self._store.client.hvals(self._key)
        return sorted(map(_read, texts), key=lambda key: key.created)

    async def exist(self) -> bool:
        """True if there is any key, be it expired: an API that was closed once stays closed."""
        async with self._store.reachable():
            return bool(await self._store.client.hlen(self._key))

    async def find(self, token: str) -> ApiKey | None:
        """The key of this token; None for one that is wrong, revoked or expired."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        key = await self.of(parts[1])
        # Compared in any case, and in constant time: neither an id nor a secret can be felt out.
        right = hmac.compare_digest(key.digest if key else "0" * 64, _digest(parts[2]))
        return key if right else None

    async def of(self, key_id: str) -> ApiKey | None:
        """The key of this id; None for one that is revoked or expired."""
        async with self._store.reachable():
            text = await self._store.client.hget(self._key, key_id)
        key = _read(text) if text else None
        expired = key is not None and key.expires is not None and key.expires <= self._clock()
        return None if expired else key

    async def revoke(self, key_id: str) -> None:
        """Take a key back. Raises ApiKeyNotFound."""
        async with self._store.reachable():
            gone = await self._store.client.hdel(self._key, key_id)
        if not gone:
            raise ApiKeyNotFound(key_id=key_id)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _read(text: bytes | str) -> ApiKey:
    facts = known(ApiKey, orjson.loads(text))
    return ApiKey(**{**facts, "roles": [Role(role) for role in facts["roles"]]})
