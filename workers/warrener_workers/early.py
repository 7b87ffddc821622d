"""What comes before its time. The ladder works in ticks, and hands a message on a moment before it is due:
the rest passes here, unclaimed, so that nothing but RabbitMQ holds the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from .deliveries import Delivery


class Early:
    """Hands each delivery to `due` in its time."""

    def __init__(self, due: Callable[[Sequence[Delivery]], None]) -> None:
        self._due = due
        self._held: dict[Delivery, asyncio.TimerHandle] = {}
        self._over = False
        self._returning: set[asyncio.Task[None]] = set()

    def hold(self, delivery: Delivery, seconds: float) -> None:
        """Hand it on in so many seconds."""
        loop = asyncio.get_running_loop()
        if self._over:
            # It came on the heels of the last.
            returning = loop.create_task(delivery.requeue())
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
        else:
            self._held[delivery] = loop.call_later(seconds, self._hand_on, delivery)

    def _hand_on(self, delivery: Delivery) -> None:
        del self._held[delivery]
        if not delivery.stale:
            self._due([delivery])

    async def give_back(self) -> None:
        """Let RabbitMQ have them back, and hand on nothing more."""
        held, self._held, self._over = self._held, {}, True
        for delivery, timer in held.items():
            timer.cancel()
            await delivery.requeue()
