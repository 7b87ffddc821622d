"""Our own app inside the bench's process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from warrener import Warrener
from warrener.settings import Settings

from . import tasks
from .sides import Servers


@contextmanager
def own(servers: Servers) -> Iterator[Warrener]:
    """It, on these servers."""
    tasks.app.settings = Settings(
        amqp_url=SecretStr(servers.amqp),
        redis_url=SecretStr(servers.redis),
        queue_type="classic" if servers.kind == "classic" else "quorum",
        publish_timeout=120,
    )
    yield tasks.app
