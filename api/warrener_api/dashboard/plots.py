"""What was done in the last hour, drawn."""

from __future__ import annotations

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


class Name(StrEnum):
    """The plots there are."""

    RUNS = "runs"
    TIMES = "times"
    DEPTHS = "depths"


def draw(name: Name, minutes: Sequence[Counts], until: float) -> bytes:
    """One plot as SVG. `minutes`: the oldest first, up to that of `until`."""
    series = _SERIES[name](minutes)
    chart = _KINDS[name](_config(len(series)))
    labels = [_clock(until - MINUTE * back) for back in range(len(minutes) - 1, -1, -1)]
    chart.x_labels = labels
    chart.x_labels_major = labels[14::15]
    for title, values in series:
        chart.add(title, values)
    picture: bytes = chart.render()
    return picture


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M")


def _runs(minutes: Sequence[Counts]) -> list[tuple[str, list[Any]]]:
    return [
        (outcome, [counts.total(outcome) for counts in minutes])
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


def _config(series: int) -> Config:
    return Config(
        width=WIDTH,
        height=HEIGHT,
        style=_STYLE,
        js=[],
        legend_at_bottom=True,
        legend_at_bottom_columns=max(1, min(3, series)),
        show_minor_x_labels=False,
        truncate_label=-1,
        show_dots=False,
        show_y_guides=True,
        y_labels_major_count=4,
        show_minor_y_labels=False,
        min_scale=2,
        margin=8,
        spacing=6,
        no_data_text="nothing yet",
        include_x_axis=True,
        disable_xml_declaration=True,
        pretty_print=False,
        explicit_size=False,
    )
