"""Retention: dead letters that are older than `dead_letter_retention` are dropped, and counted as expired.
Each time that is an operation like any other, in the name of `retention`."""

from __future__ import annotations

import logging

from .asking import ask
from .client import Client
from .errors import QueueBusy, QueueNotFound
from .letter_index import DeadLetterIndex
from .operations import Wanted
from .selecting import Selection

log = logging.getLogger(__name__)

LOOK = 60.0
"""Seconds between two looks for letters that are too old, whoever looks."""
FIRST = 0.001
"""The first time of death that counts: of a letter that says none it is not known how old it is."""


async def drop_old(client: Client) -> list[str]:
    """Ask for what drops the letters that are too old by now; the ids of these operations. Nothing without
    that setting, or if somebody has just looked. Raises BrokerUnavailable, StoreUnavailable."""
    kept_for, store = client.settings.dead_letter_retention, client.store
    if kept_for is None:
        return []
    looked = f"{client.settings.namespace}:dead-retention"
    async with store.reachable():
        if not await store.client.set(looked, b"", nx=True, px=round(LOOK * 1000)):
            return []
    return await drop_older_than(client, kept_for)


async def drop_older_than(client: Client, seconds: float) -> list[str]:
    """The same, whoever has looked."""
    index = DeadLetterIndex(client.settings, client.store)
    selection = Selection(died_after=FIRST, died_before=client.clock() - seconds)
    asked = []
    for queue in await index.queues():
        count = await index.count(queue, selection)
        if not count:
            continue
        wanted = Wanted(
            "discard",
            queue,
            "retention",
            selection,
            limit=count,
            reason=f"older than {seconds:g} s",
            became="expired",
        )
        try:
            asked.append(await ask(client, wanted))
        except (QueueBusy, QueueNotFound) as error:
            log.warning("letters that are too old stay for now: %s", error)
    return asked
