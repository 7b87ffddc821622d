"""What an operator should look at: decided from what was found, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from warrener.presence import Presence
from warrener.queues import QueueState
from warrener.stats import Counts


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to look at: what it is, why it matters or what to do, and the page that shows it, from the
    overview."""

    what: str
    hint: str
    page: str


def notices(
    queues: Iterable[QueueState], workers: Sequence[Presence], minutes: Sequence[Counts]
) -> list[Notice]:
    """What needs attention now. `minutes`: the counts of the last hour, the oldest first."""
    found = []
    for queue in queues:
        if queue.ready and not queue.consumers:
            found.append(
                Notice(
                    f"{queue.name} has {queue.ready} message(s) and no consumer",
                    f"start a worker: warrener worker {queue.name}",
                    "desk/queues",
                )
            )
    failed = _failures(minutes[-10:])
    for queue in queues:
        if queue.dead:
            now = (
                f", {failed[queue.name]} in the last ten minutes" if failed.get(queue.name) else ""
            )
            found.append(
                Notice(
                    f"{queue.name} has {queue.dead} dead letter(s){now}",
                    "see what they died of, mend it, and replay them",
                    "desk/queues",
                )
            )
    if not workers:
        found.append(Notice("no worker is running", "nothing will be worked on", "desk/workers"))
    return found


def _failures(minutes: Iterable[Counts]) -> dict[str, int]:
    failed: dict[str, int] = {}
    for counts in minutes:
        for end, count in counts.ends.items():
            if end.outcome == "failed":
                failed[end.queue] = failed.get(end.queue, 0) + count
    return failed
