"""What an operator should look at: decided from what was found, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

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
    queues: Sequence[QueueState], workers: Sequence[Presence], minutes: Sequence[Counts]
) -> list[Notice]:
    """What needs attention now. `minutes`: the counts of the last hour, the oldest first."""
    failed = _failures(minutes[-10:])
    found = [_of_work(queue) for queue in queues]
    found += [_of_the_dead(queue, failed.get(queue.name, 0)) for queue in queues]
    if not workers:
        found.append(Notice("no worker is running", "nothing will be worked on", "desk/workers"))
    return [notice for notice in found if notice is not None]


def _of_work(queue: QueueState) -> Notice | None:
    if queue.paused:
        what = f"{queue.name} is paused, with {queue.ready} message(s) ready"
        return Notice(what, "nothing of it begins until it is resumed", "desk/queues")
    if queue.ready and not queue.consumers:
        what = f"{queue.name} has {queue.ready} message(s) and no consumer"
        return Notice(what, f"start a worker: warrener worker {queue.name}", "desk/queues")
    return None


def _of_the_dead(queue: QueueState, lately: int) -> Notice | None:
    if not queue.dead:
        return None
    now = f", {lately} in the last ten minutes" if lately else ""
    what = f"{queue.name} has {queue.dead} dead letter(s){now}"
    page = f"desk/dead?{urlencode({'queue': queue.name})}"
    return Notice(what, "see what they died of, mend it, and replay them", page)


def _failures(minutes: Iterable[Counts]) -> dict[str, int]:
    failed: dict[str, int] = {}
    for counts in minutes:
        for end, count in counts.ends.items():
            if end.outcome == "failed":
                failed[end.queue] = failed.get(end.queue, 0) + count
    return failed
