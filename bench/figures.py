"""What is made of many figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def percentiles(values: Sequence[float]) -> list[float]:
    """p50, p95 and p99."""
    cuts = statistics.quantiles(values, n=100)
    return [cuts[49], cuts[94], cuts[98]]
