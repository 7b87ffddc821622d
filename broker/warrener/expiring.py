"""Retention: dead letters that are older than `dead_letter_retention` are dropped, and counted as expired.
Each time that is an operation like any other, in the name of `retention`; of a queue, one at a time."""

from __future__ import annotations

import logging

from .asking import ask
from .client import Client
from .errors import QueueBusy, QueueNotFound
from .letter_index import DeadLetterIndex
from .operations import LISTED, Kind, Operation, Operations, Wanted
from .selecting import ALL, Selection

log = logging.getLogger(__name__)

LOOK = 60.0
"""Seconds between two looks for letters that are too old, whoever looks."""
AGAIN = 3600.0
"""Seconds after which letters are tried again that a discard could not drop."""
NAME = "retention"
"""Who asks."""
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
    index, now = DeadLetterIndex(client.settings, client.store), client.clock()
    selection = Selection(died_after=FIRST, died_before=now - seconds)
    counts = {queue: await index.count(queue, selection) for queue in await index.queues()}
    if not any(counts.values()):
        return []
    asked = []
    newest = await Operations(client.settings, client.store).newest(LISTED)
    for queue, count in counts.items():
        ours = (x for x in newest if (x.wanted.by, x.wanted.queue) == (NAME, queue))
        kind = due(count, next(ours, None), now)
        if kind == "discard":
            wanted = Wanted(
                kind,
                queue,
                NAME,
                selection,
                limit=count,
                reason=f"older than {seconds:g} s",
                became="expired",
            )
        elif kind == "reindex":
            wanted = Wanted(kind, queue, NAME, ALL)
        else:
            continue
        try:
            asked.append(await ask(client, wanted))
        except (QueueBusy, QueueNotFound) as error:
            log.warning("letters that are too old stay for now: %s", error)
    return asked


def due(count: int, last: Operation | None, now: float) -> Kind | None:
    """What is to be asked for, with so many letters listed that are too old, after this operation of ours.
    Each pass that does not find them writes the whole queue anew, so that none is asked for in vain."""
    if not count:
        return None
    if last is None:
        return "discard"
    waits = last.finished is None or now < last.finished + AGAIN
    if last.state != "done":
        return None if waits else "discard"  # it goes on, or was cancelled, or fails
    if last.wanted.kind == "discard":
        if last.done + last.already + last.failed < (last.wanted.total or 0):
            return "reindex"  # the index lists what the queue has not
        if count <= last.failed and waits:
            return None  # those that could not be dropped
    return "discard"
