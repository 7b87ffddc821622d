"""Listening to control messages, on a connection and a queue of the worker's own that end with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from warrener import control
from warrener.connection import LOST
from warrener.errors import StoreUnavailable, WarrenerError
from warrener.outgoing import Publishes
from warrener.settings import Settings
from warrener.topology import Names

log = logging.getLogger(__name__)


class Listening:
    """Hands the job ids of control messages to `look`; `look_at_queues` is for those about queues, `answer`
    for the token of a ping."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        publisher: Publishes,
        look: Callable[[list[str]], Awaitable[None]],
        look_at_queues: Callable[[], Awaitable[None]],
        answer: Callable[[str], Awaitable[None]],
    ) -> None:
        self._exchange = Names(settings.namespace).control
        self._pause = settings.beat
        self._name = f"{name} (control)"
        self._publisher = publisher
        self._look = look
        self._look_at_queues = look_at_queues
        self._answer = answer

    async def run(self) -> NoReturn:
        """Listen without end, again after each loss. What is missed is found on the next beat."""
        while True:
            try:
                async with self._publisher.own_channel(self._name) as channel:
                    await self._consume(channel)
                    await asyncio.wait({channel.closing})
            except (WarrenerError, *LOST) as error:
                log.debug("control messages are not heard: %s", error)
            await asyncio.sleep(self._pause)

    async def _consume(self, channel: Channel) -> None:
        found = await channel.queue_declare("", exclusive=True, auto_delete=True)
        queue = found.queue or ""
        await channel.queue_bind(queue, self._exchange)
        await channel.basic_consume(queue, self._heard, no_ack=True)

    async def _heard(self, message: DeliveredMessage) -> None:
        if job_ids := control.read(message.body):
            await self._look(job_ids)
        if control.is_about_queues(message.body):
            await self._look_at_queues()
        if token := control.token_of_ping(message.body):
            try:
                await self._answer(token)
            except StoreUnavailable as error:
                log.debug("a ping is not answered: %s", error)
