"""The bars: what the figures are held against, one line each."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

Rates = Mapping[str, Sequence[float]]
OURS = "Warrener (fast)"
PEERS = ("Dramatiq", "Taskiq", "FastStream")
NOT_YET = (
    "C client: consume and acknowledge each",
    "sequential send() against the C client's",
    "POST /jobs against an empty POST",
    "100,000 waiting jobs cost the workers nothing",
    "chord of 10,000",
    "memory over 1,000,000 jobs",
    "two workers against one; depth 1,000 against 1,000,000",
    "arq and streaq",
)


def line(name: str, met: bool | None, figure: str) -> str:
    """One bar: met or not, with its figure."""
    return f"{'met    ' if met else 'not met' if met is False else 'unknown'}  {name}: {figure}"


def ratio(rates: Rates, peer: str) -> tuple[float, str] | None:
    """The median of our rate against a peer's, round by round, and the range in words."""
    ours, theirs = rates.get(OURS), rates.get(peer)
    if not ours or not theirs:
        return None
    each = [a / b for a, b in zip(ours, theirs, strict=False)]
    middle = statistics.median(each)
    return middle, f"{middle:.1f} × {peer} ({min(each):.1f} – {max(each):.1f})"


def of_drain(rates: Rates, slots: int) -> list[str]:
    """The bars of a drain on that many slots."""
    name = f"drain, {slots:,} slots, quorum queue"
    wanted = 15 if slots >= 1000 else 10
    found = ratio(rates, "Celery solo")
    lines = [
        line(f"{name}, ≥ {wanted} × Celery", *((found[0] >= wanted, found[1]) if found else _NONE))
    ]
    if slots >= 1000:
        peers = [one for peer in PEERS if (one := ratio(rates, peer))]
        worst = min(peers, default=None)
        lines.append(
            line(
                f"{name}, ≥ 6 × the fastest peer",
                *((worst[0] >= 6, worst[1]) if worst else _NONE),
            )
        )
    return lines


def not_measured() -> list[str]:
    """The bars that this bench does not measure yet."""
    return [line(name, None, "not measured by this bench yet") for name in NOT_YET]


_NONE: tuple[None, str] = (None, "not measured in this run")
