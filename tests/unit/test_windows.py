"""How much is published at a time."""

from __future__ import annotations

import pytest

from warrener.messages import Message
from warrener.outgoing import Outgoing
from warrener.windows import BYTES_IN_FLIGHT, IN_FLIGHT, windows


@pytest.mark.parametrize(
    "sizes, found",
    [
        ([], []),
        ([1], [1]),
        ([1] * (2 * IN_FLIGHT + 3), [IN_FLIGHT, IN_FLIGHT, 3]),
        ([BYTES_IN_FLIGHT, 1, BYTES_IN_FLIGHT - 1, 5], [1, 2, 1]),
        ([BYTES_IN_FLIGHT // 2] * 5, [2, 2, 1]),
    ],
)
def test_a_window_ends_at_so_many_messages_or_bytes(sizes: list[int], found: list[int]) -> None:
    bodies = {size: b"x" * size for size in set(sizes)}
    outgoing = [Outgoing(Message(f"job-{n}", "t", bodies[s]), "q") for n, s in enumerate(sizes)]
    some = list(windows(outgoing))
    assert [len(window) for window in some] == found
    assert [one for window in some for one in window] == outgoing
