"""`python -m bench.page [FOLDER]`: writes the figures of the last run into docs/performance.md, between
its two marks, and as a page of their own beside them."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def tables(run: dict[str, Any]) -> str:
    """The figures as Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in run["about"].items())
    lines = [f"Of this run: {about}.", ""]
    for part, figures in run["figures"].items():
        if part.startswith("drain "):
            lines += _drain(part.removeprefix("drain "), figures)
        else:
            lines += [f"**{part}**: `{json.dumps(figures, ensure_ascii=False)}`", ""]
    return "\n".join([*lines, "```", *run["bars"], "```"])


def _drain(slots: str, figures: dict[str, Any]) -> list[str]:
    lines = [
        f"**No-op jobs on {slots} slots**",
        "",
        "| | jobs/s, median | range | CPU µs/job, median: parent + children |",
        "|---|---|---|---|",
    ]
    for name, rates in figures["jobs/s"].items():
        costs = [
            f"{statistics.median(one):.0f}"
            for one in zip(*figures["cpu us/job"][name], strict=False)
        ]
        spread = f"{min(rates):,.0f} – {max(rates):,.0f}"
        lines.append(
            f"| {name} | {statistics.median(rates):,.0f} | {spread} | {' + '.join(costs)} |"
        )
    return [*lines, ""]


def main() -> None:
    """Write both pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results"
    text = tables(json.loads((folder / "latest.json").read_text()))
    (folder / "latest.md").write_text(text + "\n")
    if folder == HERE / "results" and PAGE.exists():
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
