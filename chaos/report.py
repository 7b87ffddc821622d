"""What a run prints at its end."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from .crowd import Crowd
from .verdict import Evidence, Verdict


def show(
    console: Console, verdict: Verdict, evidence: Evidence, crowd: Crowd, more: dict[str, int]
) -> None:
    """The table, and what is wrong."""
    table = Table(title="What became of it")
    table.add_column("")
    table.add_column("count", justify="right")
    states = Counter(
        "no record" if record is None else record.state.value
        for record in evidence.records.values()
    )
    ends = Counter(flow.state or "no plan" for flow in evidence.flows)
    rows: dict[str, object] = {
        "accepted jobs": len(evidence.accepted),
        **{f"  of them {name}": count for name, count in _kinds(evidence).items()},
        "accepted workflows": len(evidence.flows),
        **{f"  ended in {state}": count for state, count in sorted(ends.items())},
        "submissions refused": crowd.refused,
        "revoked while they waited": len(crowd.revoked),
        "runs asked to end": crowd.asked,
        "jobs known": len(evidence.records),
        **{f"  {state}": count for state, count in sorted(states.items())},
        "runs": len(evidence.executions),
        "  cut off by the end of their process": sum(e.died for e in evidence.executions),
        "dead letters": len(evidence.letters),
        **more,
    }
    for name, count in rows.items():
        table.add_row(name, str(count))
    console.print(table)
    for what in ("lost", "rerun", "overlapped", "other"):
        for line in getattr(verdict, what)[:20]:
            console.print(f"{what}: {line}", markup=False)


def _kinds(evidence: Evidence) -> dict[str, int]:
    """How many of the accepted jobs were of each task."""
    known = [evidence.records[job_id] for job_id in evidence.accepted]
    tasks = (record.task.rpartition(".")[2] for record in known if record and record.task)
    return dict(Counter(tasks).most_common())
