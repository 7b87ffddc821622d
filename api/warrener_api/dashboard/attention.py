"""What an operator should look at: decided from what was found, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from warrener.presence import Presence
from warrener.queues import QueueState
from warrener.stats import Counts

from .rendering import moment, span


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to look at: what it is, why it matters or what to do, and the page that shows it, from the
    overview."""

    what: str
    hint: str
    page: str


OLD = 600.0
"""Seconds for which the job whose turn it is may wait before somebody should look."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is looked at. `minutes`: the counts of the last hour, the oldest first; `lost`: workers that
    ended without a word, and when they were last seen; `blocked`: RabbitMQ takes no publishes."""

    queues: Sequence[QueueState]
    workers: Sequence[Presence]
    minutes: Sequence[Counts]
    lost: Mapping[str, float] = field(default_factory=dict)
    blocked: bool = False


def notices(seen: Found) -> list[Notice]:
    """What needs attention now, what holds up most first."""
    queues, workers = seen.queues, seen.workers
    failed = _failures(seen.minutes[-10:])
    found: list[Notice | None] = [_BLOCKED if seen.blocked else None]
    found += [_of_work(queue) for queue in queues]
    found += [_of_age(queue) for queue in queues]
    found += [_of_lost(name, at) for name, at in sorted(seen.lost.items())]
    found += [_of_the_dead(queue, failed.get(queue.name, 0)) for queue in queues]
    if not workers:
        found.append(Notice("no worker is running", "nothing will be worked on", "desk/workers"))
    return [notice for notice in found if notice is not None]


_BLOCKED = Notice(
    "RabbitMQ has an alarm, and takes no messages",
    "its memory or its disk is nearly full: rabbitmq-diagnostics alarms, or warrener doctor",
    "desk/queues",
)


def _of_age(queue: QueueState) -> Notice | None:
    if queue.oldest is None or queue.oldest <= OLD or queue.paused or not queue.consumers:
        return None
    what = f"the oldest job of {queue.name} has waited for {span(queue.oldest)}"
    return Notice(what, "more workers, or a job that holds them up?", "desk/queues")


def _of_lost(name: str, at: float) -> Notice:
    what = f"worker {name} was lost: it was last seen at {moment(at)}, and did not say that it ends"
    return Notice(
        what, "its jobs run elsewhere; its supervisor and its log say why", "desk/workers"
    )


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
