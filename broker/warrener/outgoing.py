"""What is published, and what others need of whoever publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from aiormq import spec
from aiormq.channel import Channel

from . import topology
from .errors import InvalidDelay, WarrenerError
from .messages import Message
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and where it goes: to `queue` after `delay` seconds, or to its dead queue."""

    message: Message
    queue: str
    delay: float = 0.0
    dead: bool = False
    refused: bool = False
    """True for the letter of what nobody has vouched for: it is not signed."""


def check(outgoing: Outgoing, settings: Settings) -> None:
    """Raise InvalidDelay or QueueNameError for what cannot be published."""
    if not 0 <= outgoing.delay <= topology.LONGEST_WAIT:
        raise InvalidDelay(seconds=outgoing.delay, limit=topology.LONGEST_WAIT)
    topology.check_queue_name(outgoing.queue, settings.namespace)


class Publishes(Protocol):
    """What others need of a publisher; the double for tests has it as well."""

    async def publish_many(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        """Publish all; one answer for each, in order: None, or what was wrong."""

    async def depth(self, queue: str) -> spec.Queue.DeclareOk | None:
        """Ready messages and consumers of a queue, or None if it does not exist."""

    async def require_dead_queue(self, queue: str) -> None:
        """Return once the dead queue of `queue` exists."""

    async def ready(self) -> None:
        """Return if the broker answers."""

    async def tell_workers(self, what: bytes) -> None:
        """Send this control message to all workers that listen; that nobody hears it is no error."""

    def own_channel(self, name: str = "warrener pass") -> AbstractAsyncContextManager[Channel]:
        """A channel on a connection of the caller's own, which RabbitMQ lists under the name."""

    async def close(self) -> None:
        """Close the connection."""
