"""What the overview points at: each thing to look at, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from warrener.presence import Presence
from warrener.queues import QueueState
from warrener.stats import Counts, End
from warrener_api.dashboard.attention import OLD, Found, notices

WORKER = Presence("o", "till-1", "host", 1, "1", ["till"], "processes", 4, 0.0, 0.0)
QUEUE = QueueState("till", 0, 1, 0)
CALM = Found([QUEUE], [WORKER], [Counts()])


def said(found: Found) -> str:
    return "; ".join(notice.what for notice in notices(found))


def test_when_all_is_well_nothing_is_said() -> None:
    assert notices(CALM) == []
    busy = replace(QUEUE, ready=9, oldest=OLD)
    assert notices(replace(CALM, queues=[busy])) == []


CASES: list[tuple[QueueState, str]] = [
    (replace(QUEUE, ready=3, consumers=0), "till has 3 message(s) and no consumer"),
    (
        replace(QUEUE, ready=3, paused=True, oldest=2 * OLD),
        "till is paused, with 3 message(s) ready",
    ),
    (replace(QUEUE, ready=3, oldest=OLD + 1), "the oldest job of till has waited for 10 min 1 s"),
    (replace(QUEUE, dead=2), "till has 2 dead letter(s)"),
]


@pytest.mark.parametrize("queue, text", CASES)
def test_a_queue_that_needs_somebody_is_named_once(queue: QueueState, text: str) -> None:
    assert said(replace(CALM, queues=[queue])) == text


def test_dead_letters_that_grow_say_so() -> None:
    counts = Counts()
    for _ in range(2):
        counts.ended(End("t", "till", "failed"), 1.0)
    growing = replace(CALM, queues=[replace(QUEUE, dead=5)], minutes=[Counts(), counts])
    assert said(growing) == "till has 5 dead letter(s), 2 in the last ten minutes"
    long_ago = replace(growing, minutes=[counts, *[Counts()] * 10])
    assert said(long_ago) == "till has 5 dead letter(s)"


def test_workers_that_are_lost_or_none_are_named() -> None:
    lost = said(replace(CALM, lost={"heavy-1": 60.0}))
    assert lost.startswith("worker heavy-1 was lost: it was last seen at 1970-01-01 00:01:00")
    assert said(replace(CALM, workers=[])) == "no worker is running"


def test_an_alarm_comes_first() -> None:
    [first, *_] = notices(replace(CALM, blocked=True, queues=[replace(QUEUE, dead=1)]))
    assert first.what == "RabbitMQ has an alarm, and takes no messages"
