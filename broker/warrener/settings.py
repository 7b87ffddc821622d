"""Settings: arguments of Warrener(...) before WARRENER_* in the environment before defaults."""

from __future__ import annotations

import re
from typing import Any, Literal, LiteralString

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from .errors import ConfigurationError

SIGNING_KEY = re.compile(r"[A-Za-z0-9_-]{1,32}:[^\s,]{16,}")
SIGNING_KEY_RULE: LiteralString = (
    "it must be id:secret, or several joined by commas; an id has 1 to 32 letters, digits, - and _, a "
    "secret 16 characters or more, such as `openssl rand -hex 32` prints"
)
SCHEMES = {"amqp_url": ("amqp", "amqps"), "redis_url": ("redis", "rediss", "unix")}
# Only before a URL: a password may hold a comma.
_BETWEEN_URLS = re.compile(r"\s*,\s*(?=amqps?://)")


class Settings(BaseSettings):
    """What producers and workers must agree on, and how long they wait. All times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="WARRENER_", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    amqp_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """RabbitMQ's URL, or those of a cluster's nodes separated by commas: tried in turn."""
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    tls_ca: str = ""
    """A PEM file: the authorities that may vouch for amqps:// and rediss:// servers, instead of the
    system's."""
    tls_cert: str = ""
    """A PEM file: the certificate by which we are known to servers that ask for one; `tls_key` is its key,
    if it is not in the same file."""
    tls_key: str = ""
    namespace: str = Field("warrener", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    """Prefix of every exchange, shared queue and Redis key."""
    signing_keys: SecretStr = SecretStr("")
    """`id:secret,id:secret`: the first key signs messages, and what none has signed does not run. Empty:
    nothing is signed."""
    default_queue: str = Field("default", min_length=1)
    queue_type: Literal["quorum", "classic"] = "quorum"
    max_priority: int = Field(0, ge=0, le=31)
    """The highest priority that a job can have; 0: jobs have none. Quorum queues have them from RabbitMQ
    4.0 on (0 to 4 and above as two levels, all of them from 4.3 on); classic ones are declared with it."""
    transport: Literal["plain", "fast"] = "plain"
    """How workers read their deliveries: `plain` is aio-pika's way, `fast` hands them on in batches."""
    declare: bool = True
    """False on brokers where an operator declares the topology ahead."""

    max_payload_bytes: int = Field(1_000_000, gt=0)
    max_result_bytes: int = Field(1_000_000, gt=0)
    publish_timeout: float = Field(10.0, gt=0)
    connect_timeout: float = Field(5.0, gt=0)
    """For a connection, and for an answer of Redis: it is asked three times. A submission waits so long for
    its record, once RabbitMQ has confirmed it."""
    request_timeout: float = Field(6.0, gt=0)
    """How long an HTTP call waits for RabbitMQ and Redis, beside the time that it asked to wait: less
    than proxies wait for us."""
    heartbeat: int = Field(30, ge=1)
    """AMQP heartbeat: a dead peer is noticed within three of them."""
    consumer_timeout: float | None = Field(None, gt=0)
    """RabbitMQ's own consumer_timeout, where somebody has set it: no client can ask for it. Warnings go
    by it instead of RabbitMQ's 30 minutes."""
    restore_deadline: float = Field(300.0, gt=0)
    """How long a worker that has stopped consuming tries to go on, before it ends with exit code 8."""

    result_ttl: float = Field(86_400, gt=0)
    dedupe_ttl: float = Field(604_800, gt=0)
    """How long the record of an ended job lives, and so protects from a second run."""
    dead_letter_retention: float | None = Field(None, gt=0)
    """How long dead letters are kept before an API or a beat drops them; without it, for ever."""

    beat: float = Field(3.0, ge=0.5)
    """How often a worker says that it lives; after three silent beats it counts as dead. Its children
    wait for half of that, which must leave their parent time to be late on a busy machine."""
    grace: float = Field(30.0, ge=0)
    """How long a stopping worker lets running jobs finish."""
    unknown_task_grace: float = Field(600.0, ge=0)
    """How long a job of an unknown task waits for a worker that knows it (rolling deploys)."""
    neighbour_grace: float = Field(5.0, ge=0)
    """How long the other jobs of a child get to finish before it is killed for one of them."""

    @field_validator("amqp_url", "redis_url")
    @classmethod
    def _can_be_connected_to(cls, value: SecretStr, field: ValidationInfo) -> SecretStr:
        schemes = SCHEMES[str(field.field_name)]
        secret = value.get_secret_value()
        urls = _apart(secret) if field.field_name == "amqp_url" else [secret]
        for number, url in enumerate(urls, 1):
            if not _fits(url, schemes):
                which = "it" if len(urls) == 1 else f"URL {number} of {len(urls)}"
                wanted = " or ".join(f"{scheme}://" for scheme in schemes)
                raise PydanticCustomError("url", f"{which} must be a URL that begins with {wanted}")
        return value

    @field_validator("signing_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        pairs = [pair.strip() for pair in text.split(",")] if text else []
        # Said without what was given: it may be a secret.
        if not all(SIGNING_KEY.fullmatch(pair) for pair in pairs):
            raise PydanticCustomError("keys", SIGNING_KEY_RULE)
        if len({pair.partition(":")[0] for pair in pairs}) < len(pairs):
            raise PydanticCustomError("keys", "it has the same key id twice")
        return value

    @property
    def presence_lifetime(self) -> float:
        """Seconds after its last beat at which a worker counts as dead."""
        return 3 * self.beat

    @property
    def amqp_urls(self) -> list[str]:
        """The URLs of RabbitMQ's nodes, passwords and all."""
        return _apart(self.amqp_url.get_secret_value())

    @property
    def shown_amqp_url(self) -> str:
        """The broker's URL, or all of them, without the passwords."""
        return ", ".join(map(without_password, self.amqp_urls))

    @property
    def shown_redis_url(self) -> str:
        """The store's URL without its password."""
        return without_password(self.redis_url.get_secret_value())


def read_settings(**arguments: Any) -> Settings:
    """The settings, these arguments first. Raises ConfigurationError for what does not fit."""
    try:
        return Settings(**arguments)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(
            message=f"Settings do not fit: {'; '.join(faults)}. They come from Warrener(...) and from "
            "WARRENER_* in the environment."
        ) from None


def _apart(urls: str) -> list[str]:
    return _BETWEEN_URLS.split(urls.strip())


def _fits(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parsed = URL(url)
    except ValueError:
        return False
    # Otherwise another URL was meant that lacks its amqp://, and its password would be shown as a
    # part of the virtual host.
    authority, _, path = url.partition("://")[2].partition("?")[0].partition("/")
    alone = "," not in authority.rpartition("@")[2] and not ("," in path and "@" in path)
    return parsed.scheme in schemes and (parsed.scheme == "unix" or bool(parsed.host)) and alone


def without_password(url: str) -> str:
    """The URL with its password replaced, for logs and errors."""
    try:
        parsed = URL(url)
        if parsed.password:
            parsed = parsed.with_password("***")
        if "password" in parsed.query:
            parsed = parsed.update_query(password="***")  # noqa: S106
        return str(parsed)
    except ValueError:
        # Shown where something else went wrong already, which a second error would hide.
        return f"{url.partition('://')[0]}://(a URL that cannot be read)"
