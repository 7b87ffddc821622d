"""Draws the drains of the last run. Runs in the peers' environment, which has matplotlib."""

# mypy: ignore-errors
import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

folder = Path(sys.argv[1])
run = json.loads((folder / "latest.json").read_text())
for part, figures in run["figures"].items():
    if part.startswith("drain "):
        rates = figures["jobs/s"]
        title, unit = f"No-op jobs, {part.split()[1]} slots", "jobs/s"
    elif part == "naps":
        rates = {name: [seconds] for name, seconds in figures["s"].items()}
        title, unit = f"Jobs of 100 ms on 100 slots; ideal {figures['ideal s']:g} s", "s"
    else:
        continue
    names = list(rates)
    middles = [statistics.median(rates[name]) for name in names]
    low = [m - min(rates[name]) for name, m in zip(names, middles, strict=True)]
    high = [max(rates[name]) - m for name, m in zip(names, middles, strict=True)]
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(names) + 1.2))
    axes.barh(names, middles, xerr=[low, high])
    axes.invert_yaxis()
    axes.set_title(title)
    axes.set_xlabel(unit)
    figure.tight_layout()
    figure.savefig(folder / f"{part.replace(' ', '-')}.svg")
