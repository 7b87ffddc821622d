"""Control messages, and whether RabbitMQ takes messages at all. On a connection of their own: an alarm
blocks each connection that publishes, and must not hold up questions on another."""

from __future__ import annotations

import asyncio

from . import topology
from .connection import LOST, Link, not_cancelled, nothing
from .errors import BrokerUnavailable, WarrenerError
from .settings import Settings

_PATIENCE = 3.0
"""Seconds for a confirm. Nothing depends on a control message: what it says is in the store, and is read
again on each beat."""
_AT_ONCE = 0.5
"""The same for a message to nobody: RabbitMQ says that it is blocked as soon as it has read one."""


class Teller:
    """Tells workers to look; opens its connection when it is first used."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._names = topology.Names(settings.namespace)
        self._link = Link(settings, f"{name} (control)", nothing)

    async def tell(self, what: bytes) -> None:
        """Send this to all workers that listen; that nobody hears it is no error. Raises BrokerUnavailable,
        also while an alarm holds it up, and BrokerRefusedLogin."""
        if await self._link.is_blocked():
            raise self._link.unavailable(RuntimeError("it has an alarm, and takes no messages"))
        await self._publish(what, self._names.control, _PATIENCE)

    async def is_blocked(self) -> bool:
        """True while an alarm of RabbitMQ holds publishes up. It says so only to connections that publish:
        hence a message to nobody. Raises BrokerUnavailable, BrokerRefusedLogin."""
        await self._link.channel()
        if not await self._link.is_blocked():
            try:
                await self._publish(b"", self._names.jobs, _AT_ONCE)
            except BrokerUnavailable:
                return await self._link.is_blocked()
            return False
        return True

    async def _publish(self, body: bytes, exchange: str, seconds: float) -> None:
        try:
            channel = await self._link.channel()
            async with asyncio.timeout(seconds):
                with not_cancelled():
                    await channel.basic_publish(body, exchange=exchange, mandatory=False)
        except WarrenerError:
            raise
        except TimeoutError as error:
            why = TimeoutError(f"no confirm of a control message within {seconds:g} s")
            raise self._link.unavailable(why) from error
        except LOST as error:
            raise self._link.unavailable(error) from error

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()
