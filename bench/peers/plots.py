"""Draws the first column of every table of the last run. Runs in the peers' environment, which has
matplotlib."""

# mypy: ignore-errors
import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt


def bars_of(axes, column, rows) -> None:
    """Medians with their ranges."""
    names = [name for name, each in rows.items() if each]
    middles = [statistics.median(rows[name]) for name in names]
    low = [m - min(rows[name]) for name, m in zip(names, middles, strict=True)]
    high = [max(rows[name]) - m for name, m in zip(names, middles, strict=True)]
    axes.barh(names, middles, xerr=[low, high])
    axes.invert_yaxis()
    axes.set_xlabel(column)


def lines_of(axes, series) -> None:
    """Memory over jobs, from zero: a slope that means nothing must not look steep."""
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("jobs")
    axes.set_ylabel("MiB")
    axes.legend()


def main() -> None:
    folder = Path(sys.argv[1])
    # The page's own names, so that both agree.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from bench.page import plot_of

    # The same figures draw the same file.
    plt.rcParams["svg.hashsalt"] = "warrener"
    for title, table in json.loads((folder / "latest.json").read_text())["tables"].items():
        column, rows = next(iter(table["columns"].items()))
        if not any(rows.values()):
            continue
        height = 3 if "series" in table else 0.5 * len(rows) + 1.2
        figure, axes = plt.subplots(figsize=(8, height))
        if "series" in table:
            lines_of(axes, table["series"])
        else:
            bars_of(axes, column, rows)
        axes.set_title(title)
        figure.tight_layout()
        figure.savefig(folder / plot_of(title), metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
