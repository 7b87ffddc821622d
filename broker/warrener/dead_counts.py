"""How many dead letters there are, in the queues and in the index, and whether the two agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .client import Client
from .letter_index import DeadLetterIndex
from .topology import Names


@dataclass(frozen=True, slots=True)
class DeadCount:
    """The dead letters of one work queue: listed in the index, and held by the dead queue, None if there
    is no such queue. `became` counts those that are gone, by what became of them."""

    queue: str
    listed: int
    held: int | None
    became: dict[str, int] = field(default_factory=dict)

    @property
    def drift(self) -> str:
        """What is wrong between index and queue, and the remedy; empty if nothing is."""
        if self.listed == (self.held or 0):
            return ""
        return (
            f"{self.queue}: the index lists {self.listed} dead letter(s), and the dead queue holds "
            f"{self.held or 0}: unless a replay is going on, something else took letters, or a worker was "
            "killed before it listed one. The queue is right, and a replay goes by the queue"
        )


async def dead_counts(client: Client, queues: Iterable[str]) -> list[DeadCount]:
    """The counts of these work queues, and of all that have had dead letters. Raises BrokerUnavailable,
    StoreUnavailable."""
    index = DeadLetterIndex(client.settings, client.store)
    names = Names(client.settings.namespace)
    counts = []
    for queue in sorted({*queues, *await index.queues()}):
        found = await client.publisher.depth(names.dead_queue(queue))
        listed = await index.count(queue)
        if found is not None or listed:
            held = None if found is None else found.message_count or 0
            counts.append(DeadCount(queue, listed, held, await index.became(queue)))
    return counts
