"""`python -m bench.page [FOLDER]`: writes the figures of the last run into docs/performance.md, between
its two marks, and as a page of their own beside them."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PAGE = DOCS / "performance.md"
PLOTS = "performance"
"""The folder of the page's plots."""
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def text_of(run: dict[str, Any], plots: str = "") -> str:
    """The run as Markdown, with pictures out of that folder if it has them."""
    about = ", ".join(f"{name} {value}" for name, value in run["about"].items())
    lines = [f"Of this run: {about}.", "", "```", *run["bars"], "```", ""]
    for title, table in run["tables"].items():
        lines += [f"**{title}**", "", *table_of(table["columns"]), ""]
        if plots and (name := plot_of(title)):
            lines += [f"![{title}]({plots}{name})", ""]
    return "\n".join(lines).rstrip()


def table_of(columns: dict[str, dict[str, list[float]]]) -> list[str]:
    """Medians, and the range where there was more than one round."""
    rows = dict.fromkeys(row for rows in columns.values() for row, each in rows.items() if each)
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in rows:
        cells = [cell_of(column.get(row, [])) for column in columns.values()]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def cell_of(each: Sequence[float]) -> str:
    """One median and its range."""
    if not each:
        return "–"
    middle = number_of(statistics.median(each))
    return (
        middle if len(each) == 1 else f"{middle} ({number_of(min(each))} – {number_of(max(each))})"
    )


def number_of(value: float) -> str:
    """Three digits, or all before the point."""
    return (
        f"{value:,.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def plot_of(title: str) -> str:
    """The name of a table's plot."""
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return f"{'-'.join(words)}.svg"


def main() -> None:
    """Write both pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results"
    run = json.loads((folder / "latest.json").read_text())
    drawn = {plot_of(title): folder / plot_of(title) for title in run["tables"]}
    there = {name: path for name, path in drawn.items() if path.exists()}
    (folder / "latest.md").write_text(text_of(run, "./" if there else "") + "\n")
    if folder.resolve() == HERE / "results" and PAGE.exists():
        (DOCS / PLOTS).mkdir(exist_ok=True)
        for name, path in there.items():
            shutil.copy(path, DOCS / PLOTS / name)
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        figures = text_of(run, f"{PLOTS}/" if there else "")
        PAGE.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}")


if __name__ == "__main__":
    main()
