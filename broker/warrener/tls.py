"""TLS: amqps:// and rediss:// by an authority of one's own, and with a certificate of one's own. Servers
are always verified; without these settings by the system's authorities, or as the URL says."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from .errors import ConfigurationError
from .settings import Settings


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """How to verify RabbitMQ; None if nothing is set. Raises ConfigurationError for files that cannot be
    used."""
    if not (settings.tls_ca or settings.tls_cert):
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
    if not settings.redis_url.get_secret_value().startswith("rediss:"):
        return {}
    options: dict[str, Any] = {
        "ssl_ca_certs": settings.tls_ca,
        "ssl_certfile": settings.tls_cert,
        "ssl_keyfile": settings.tls_key,
    }
    return {name: path for name, path in options.items() if path}


def _check(settings: Settings) -> None:
    for name in ("tls_ca", "tls_cert", "tls_key"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            message = f"WARRENER_{name.upper()} is {path}, and there is no such file"
            raise ConfigurationError(message=message)
