"""Connections to Redis whose users can be cancelled on any Python."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import redis.asyncio
from redis.asyncio.connection import AbstractConnection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.connection import HiredisRespSerializer

from .errors import ConfigurationError
from .settings import Settings
from .tls import context_of, redis_options

CONNECTIONS = 16

_packer = HiredisRespSerializer()
"""What redis-py's other connections pack their commands with. Those of asyncio do it in Python, word by
word: 16 µs for a claim instead of 2.6."""


def open_client(settings: Settings) -> redis.asyncio.Redis:
    """A client for the store; it connects at its first command. Commands here may be repeated, since
    every script answers the same to the same token. Raises ConfigurationError for a URL or files that
    cannot be used."""
    try:
        # Few connections, shared: one for each concurrent call would be refused by the server long
        # before it made anything faster.
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            max_connections=CONNECTIONS,
            timeout=settings.connect_timeout,
            socket_connect_timeout=settings.connect_timeout,
            socket_timeout=settings.connect_timeout,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
            health_check_interval=30,
            **redis_options(settings),
        )
        kind = pool.connection_class
        if settings.tls_ca and issubclass(kind, SSLConnection):
            kind = _trusting(kind, settings)
        pool.connection_class = cancellable(kind)
        pool.make_connection()  # type: ignore[no-untyped-call]  # it does not connect yet
    except (TypeError, ValueError, ssl.SSLError) as error:
        reason = str(error).removeprefix("AbstractConnection.__init__() ")
        raise ConfigurationError(message=f"WARRENER_REDIS_URL does not fit: {reason}") from error
    return redis.asyncio.Redis.from_pool(pool)


def _trusting(connection: type[SSLConnection], settings: Settings) -> type[SSLConnection]:
    """This class of connections, with the authorities of `tls_ca` instead of the system's: redis-py
    trusts those as well, whatever it is given."""
    context = context_of(settings)

    class Trusting(connection):  # type: ignore[misc, valid-type]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            asked = self.ssl_context  # as the URL says
            if context is not None and asked.ca_certs == settings.tls_ca:
                theirs = asked.get()
                context.check_hostname = theirs.check_hostname
                context.verify_mode = theirs.verify_mode
                context.verify_flags = theirs.verify_flags
                context.minimum_version = theirs.minimum_version
                if asked.ciphers is not None:
                    context.set_ciphers(asked.ciphers)
                asked.context = context

    return Trusting


def cancellable(connection: type[AbstractConnection]) -> type[AbstractConnection]:
    """This class of connections, for TCP, TLS or a socket's path, with writes that never swallow a
    cancellation.

    redis-py writes within asyncio.wait_for(), which up to Python 3.11 loses a cancellation that comes
    in the turn of the loop in which the write ends (python/cpython#86296). Who then waits for the
    cancelled task waits for ever.
    """

    class Cancellable(connection):  # type: ignore[misc, valid-type]
        def pack_command(self, *args: Any) -> list[bytes]:
            packed: list[bytes] = _packer.pack(*args)
            return packed

        async def send_packed_command(
            self, command: bytes | str | Iterable[bytes], check_health: bool = True
        ) -> None:
            task = asyncio.current_task()
            before = task.cancelling() if task else 0
            try:
                await super().send_packed_command(command, check_health=check_health)
            finally:
                if task and task.cancelling() > before:
                    # The answer would be taken for that of the next command.
                    await self.disconnect(nowait=True)
                    raise asyncio.CancelledError

    return Cancellable
