"""What was done in the last hour, drawn."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pygal  # type: ignore[import-untyped]
from pygal.config import Config  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from warrener.stats import MINUTE, Counts

# It leaves an importer for plug-ins of its own, of a kind that Python 3.12 no longer knows: 3.11 warns of
# it at each import that follows.
sys.meta_path[:] = [it for it in sys.meta_path if type(it).__module__ != pygal.__name__]

WIDTH, HEIGHT = 420, 260
_MOST_QUEUES = 6
_LONG = 15
"""Characters of a title, of which three do not fit beside each other."""


class Name(StrEnum):
    """The plots there are."""

    RUNS = "runs"
    TIMES = "times"
    DEPTHS = "depths"


def draw(name: Name, minutes: Sequence[Counts], until: float) -> bytes:
    """One plot as SVG. `minutes`: the oldest first, up to that of `until`."""
    series = _SERIES[name](minutes)
    chart = _KINDS[name](_config([title for title, _ in series]))
    if any(value is not None for _, values in series for value in values):
        chart.y_labels = _ticks(_highest(name, series), whole=name is not Name.TIMES)
    else:
        chart.show_y_labels = chart.show_y_guides = False
    labels = [_clock(until - MINUTE * back) for back in range(len(minutes) - 1, -1, -1)]
    chart.x_labels = labels
    chart.x_labels_major = labels[14::15]
    for title, values in series:
        chart.add(title, values)
    picture: bytes = chart.render()
    return picture


def _highest(name: Name, series: Sequence[tuple[str, list[Any]]]) -> float:
    """Where the picture's top is; the runs of a minute stand on each other."""
    rows = [[value or 0 for value in values] for _, values in series]
    if name is Name.RUNS:
        rows = [[sum(minute) for minute in zip(*rows, strict=True)]]
    return max((value for row in rows for value in row), default=0)


def _ticks(top: float, *, whole: bool) -> list[float]:
    """Four steps or so from 0 to the top or just above it, of 1, 2 or 5 times a power of ten."""
    least = max(top / 4, 1 if whole else 0.001)
    power = 10.0 ** math.floor(math.log10(least))
    step = power * next(n for n in (1, 2, 5, 10) if n * power >= least * 0.999)
    return [round(step * n, 6) for n in range(max(2, math.ceil(top / step) + 1))]


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M")


def _runs(minutes: Sequence[Counts]) -> list[tuple[str, list[Any]]]:
    some = any(counts.ends for counts in minutes)
    return [
        (outcome, [counts.total(outcome) if some else None for counts in minutes])
        for outcome in ("succeeded", "retried", "failed")
    ]


def _times(minutes: Sequence[Counts]) -> list[tuple[str, list[Any]]]:
    return [
        (title, [counts.run_time(quantile) for counts in minutes])
        for title, quantile in (("half", 0.5), ("95 %", 0.95))
    ]


def _depths(minutes: Sequence[Counts]) -> list[tuple[str, list[Any]]]:
    queues = sorted({queue for counts in minutes for queue in counts.depths})
    fullest = sorted(queues, key=lambda q: -max(c.depths.get(q, 0) for c in minutes))[:_MOST_QUEUES]
    return [(queue, [counts.depths.get(queue) for counts in minutes]) for queue in sorted(fullest)]


_SERIES = {Name.RUNS: _runs, Name.TIMES: _times, Name.DEPTHS: _depths}
_KINDS = {Name.RUNS: pygal.StackedBar, Name.TIMES: pygal.Line, Name.DEPTHS: pygal.Line}

# Told apart without colour vision, and on light and dark alike.
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#5f6b7a",
    foreground_strong="#5f6b7a",
    foreground_subtle="#8a94a3",
    guide_stroke_color="#8a94a3",
    major_guide_stroke_color="#8a94a3",
    guide_stroke_dasharray="1,5",
    major_guide_stroke_dasharray="1,5",
    opacity="0.9",
    opacity_hover="1",
    transition="0s",
    colors=("#2f8f6b", "#d98e04", "#c8412b", "#3b6fd4", "#8a5cc2", "#5f6b7a"),
    font_family="system-ui, sans-serif",
    label_font_size=12,
    major_label_font_size=12,
    legend_font_size=13,
    no_data_font_size=16,
)


def _config(titles: Sequence[str]) -> Config:
    columns = min(len(titles), 2 if any(len(title) > _LONG for title in titles) else 3) or 1
    lines = math.ceil(len(titles) / columns)
    return Config(
        width=WIDTH,
        height=HEIGHT,
        style=_STYLE,
        js=[],
        legend_at_bottom=True,
        legend_at_bottom_columns=columns,
        truncate_legend=24,
        # The drawing gives way to the legend's further lines, not they to the picture's edge.
        margin_bottom=8 + 18 * max(0, lines - 1),
        margin_right=20,
        show_minor_x_labels=False,
        truncate_label=-1,
        show_dots=False,
        show_y_guides=True,
        value_formatter="{:g}".format,
        margin=8,
        spacing=6,
        no_data_text="nothing yet",
        include_x_axis=True,
        disable_xml_declaration=True,
        pretty_print=False,
        explicit_size=False,
    )
