"""What is asked for when letters are too old: no pass that would find nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from warrener.expiring import AGAIN, due
from warrener.operations import Operation, Wanted
from warrener.selecting import ALL

NOW = 10_000.0
WANTED = Wanted("discard", "mail", "retention", ALL, limit=3, total=3)
LAST = Operation(
    id="one",
    wanted=WANTED,
    state="done",
    created=NOW - 60,
    started=NOW - 60,
    finished=NOW - 50,
    seen=3,
    done=3,
    already=0,
    kept=0,
    failed=0,
    faults=[],
    note="",
    cancelling=False,
)
REINDEX = replace(LAST, wanted=replace(WANTED, kind="reindex", limit=None))


def _last(**other: Any) -> Operation:
    return replace(LAST, **other)


@pytest.mark.parametrize(
    "count, last, now, expected",
    [
        (0, None, NOW, None),
        (3, None, NOW, "discard"),
        (3, LAST, NOW, "discard"),
        (3, _last(done=1, already=2), NOW, "discard"),
        (3, _last(state="waiting", finished=None, done=0), NOW, None),
        (3, _last(state="running", finished=None, done=1), NOW, None),
        (3, _last(done=2), NOW, "reindex"),
        (0, _last(done=2), NOW, None),
        (1, _last(done=2, failed=1), NOW, None),
        (2, _last(done=2, failed=1), NOW, "discard"),
        (1, _last(done=2, failed=1), NOW + AGAIN, "discard"),
        (3, _last(state="cancelled", done=0), NOW, None),
        (3, _last(state="failed", done=0), NOW + AGAIN, "discard"),
        (3, REINDEX, NOW, "discard"),
        (0, REINDEX, NOW, None),
    ],
)
def test_no_pass_is_asked_for_that_would_find_nothing(
    count: int, last: Operation | None, now: float, expected: str | None
) -> None:
    assert due(count, last, now) == expected
