"""Trying until Redis or RabbitMQ answers. What is held meanwhile is not acknowledged, so that RabbitMQ
sends no more than fits: intake pauses by itself."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from warrener.errors import BrokerRefusedLogin, BrokerUnavailable, QueueNotFound, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSES = (0.1, 0.3, 1.0, 2.0)
"""Seconds between two tries; the last one repeats."""


def pauses() -> Iterator[float]:
    """The seconds to wait after each try, without end."""
    return itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))


async def patiently(
    call: Callable[[], Awaitable[T]], on_failure: Callable[[], None] = lambda: None
) -> T:
    """The call's answer, as soon as there is one."""
    for pause in pauses():
        try:
            return await call()
        # A broker that restarts may refuse logins for a while.
        except (StoreUnavailable, BrokerUnavailable, BrokerRefusedLogin, QueueNotFound) as error:
            log.warning("held for now: %s", error)
            on_failure()
            await asyncio.sleep(pause)
    raise AssertionError("the pauses never end")
