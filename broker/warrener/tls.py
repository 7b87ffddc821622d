"""TLS: amqps:// and rediss:// by an authority of one's own, and with a certificate of one's own. Servers
are always verified; without these settings by the system's authorities, or as the URL says. What a URL says
and nobody would heed is refused: somebody may rely on it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from yarl import URL

from .errors import ConfigurationError
from .settings import Settings

_FILES = ("cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl")
"""What aiormq reads of TLS in a URL's query, if it makes the context itself."""
_HEEDED = (*_FILES, "auth", "happy_eyeballs_delay", "heartbeat", "interleave", "name", "timeout")
"""All that it and aio-pika read there."""
_AUTHORITIES = ("ssl_ca_data", "ssl_ca_path")
"""What redis-py would trust besides."""
_TWICE = "{} in {} has no effect beside {}: say in one of the two places how to verify"


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """How to verify RabbitMQ; None if nothing is set. Raises ConfigurationError for files that cannot be
    used, and for options of its URL that nobody would heed."""
    ours = next(
        (f"WARRENER_{n.upper()}" for n in ("tls_ca", "tls_cert") if getattr(settings, n)), ""
    )
    for url in map(URL, settings.amqp_urls):
        if url.scheme == "amqps":
            _check_options(url, ours)
    if not ours:
        return None
    _check(settings)
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
    except (ssl.SSLError, OSError) as error:
        files = " ".join(filter(None, (settings.tls_ca, settings.tls_cert, settings.tls_key)))
        message = f"{files}: not usable for TLS, as PEM files must be: {error}"
        raise ConfigurationError(message=message) from error
    return context


def redis_options(settings: Settings) -> dict[str, Any]:
    """The same for Redis, as its client wants it. Raises ConfigurationError."""
    context_of(settings)  # what cannot be used is said at the start, whichever server it is for
    url = settings.redis_url.get_secret_value()
    if not url.startswith("rediss:"):
        return {}
    beside = next((name for name in _AUTHORITIES if settings.tls_ca and name in URL(url).query), "")
    if beside:
        raise ConfigurationError(
            message=_TWICE.format(beside, "WARRENER_REDIS_URL", "WARRENER_TLS_CA")
        )
    options: dict[str, Any] = {
        "ssl_ca_certs": settings.tls_ca,
        "ssl_certfile": settings.tls_cert,
        "ssl_keyfile": settings.tls_key,
    }
    return {name: path for name, path in options.items() if path}


def _check_options(url: URL, ours: str) -> None:
    for name in url.query:
        if name not in _HEEDED:
            known = ", ".join(_HEEDED)
            message = (
                f"{name} in WARRENER_AMQP_URL is no option of an amqps:// URL: those are {known}"
            )
            raise ConfigurationError(message=message)
        if ours and name in _FILES:
            raise ConfigurationError(message=_TWICE.format(name, "WARRENER_AMQP_URL", ours))


def _check(settings: Settings) -> None:
    for name in ("tls_ca", "tls_cert", "tls_key"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            message = f"WARRENER_{name.upper()} is {path}, and there is no such file"
            raise ConfigurationError(message=message)
