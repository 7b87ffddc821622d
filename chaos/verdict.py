"""The verdict: did the promises hold? Pure: from what was accepted, recorded, run and dead-lettered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from warrener import JobStatus, State

from .ledger import Execution
from .throttles import SEEN_LATE, beyond_limits
from .weaving import Flow, judge_flows, strangers


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a dead queue."""

    job_id: str
    reason: str
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run left behind."""

    accepted: frozenset[str]
    records: Mapping[str, JobStatus | None]
    executions: Sequence[Execution]
    letters: Sequence[Letter]
    depths: Mapping[str, int]
    """Messages left in every queue but the dead ones."""
    revoked: Mapping[str, float] = field(default_factory=dict)
    """The Unix time by which each of these was revoked while it waited."""
    flows: Sequence[Flow] = ()
    """Workflows that were accepted."""
    tried: frozenset[str] = frozenset()
    """Those that may have been."""


@dataclass(slots=True)
class Verdict:
    """Job ids, and what is wrong with them."""

    lost: list[str] = field(default_factory=list)
    rerun: list[str] = field(default_factory=list)
    overlapped: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if every promise held."""
        return not (self.lost or self.rerun or self.overlapped or self.other)


def judge(evidence: Evidence) -> Verdict:
    """Hold the evidence against each promise."""
    by_job: dict[str, list[Execution]] = defaultdict(list)
    for execution in evidence.executions:
        by_job[execution.job_id].append(execution)
    dead = {letter.job_id for letter in evidence.letters}
    verdict = Verdict()
    for job_id in sorted(evidence.accepted | by_job.keys()):
        record = evidence.records.get(job_id)
        if record is None or not record.is_terminal:
            state = "no record" if record is None else f"{record.state} at {record.attempt}"
            verdict.lost.append(f"{job_id}: {state}")
            continue
        if record.state is State.FAILURE and job_id not in dead:
            verdict.lost.append(f"{job_id}: FAILURE, and no letter in its dead queue")
        verdict.rerun += _ran_again(record, by_job[job_id])
        if (revoked := evidence.revoked.get(job_id)) is not None:
            verdict.rerun += _ran_though_revoked(record, revoked, by_job[job_id])
        verdict.overlapped += _overlaps(job_id, by_job[job_id])
    runs = Counter(execution.job_id for execution in evidence.executions)
    lost, other = judge_flows(evidence.flows, evidence.records, runs, frozenset(dead))
    verdict.lost += lost
    verdict.other += [*other, *strangers(evidence.tried, evidence.records)]
    verdict.other += beyond_limits(evidence.executions, evidence.records)
    verdict.other += _unreadable(evidence.letters)
    verdict.other += [f"{count} message(s) left in {q}" for q, count in evidence.depths.items()]
    return verdict


def _ran_again(record: JobStatus, executions: Iterable[Execution]) -> list[str]:
    if record.state is not State.SUCCESS or record.finished is None:
        return []
    return [
        f"{record.id}: SUCCESS at {record.finished:.3f}, started again at {execution.began_at:.3f}"
        for execution in executions
        if execution.began_at > record.finished
    ]


def _ran_though_revoked(
    record: JobStatus, revoked: float, executions: Iterable[Execution]
) -> list[str]:
    found = [
        f"{record.id}: revoked by {revoked:.3f}, started at {execution.began_at:.3f}"
        for execution in executions
        if execution.began_at > revoked
    ]
    if record.state is not State.REVOKED:
        found.append(f"{record.id}: revoked by {revoked:.3f}, and now {record.state}")
    return found


def _overlaps(job_id: str, executions: Iterable[Execution]) -> list[str]:
    found = []
    earlier: list[Execution] = []
    for execution in sorted(executions, key=lambda e: e.began):
        for other in earlier:
            over = other.ended - (SEEN_LATE if other.died else 0.0)
            if execution.began < over:
                found.append(
                    f"{job_id}: {execution.generation}.{execution.attempt} began in {execution.who} "
                    f"{other.ended - execution.began:.3f} s before {other.generation}.{other.attempt} "
                    f"ended in {other.who}"
                )
        earlier.append(execution)
    return found


def _unreadable(letters: Iterable[Letter]) -> list[str]:
    return [
        f"{letter.job_id}: a dead letter that does not say why"
        for letter in letters
        if not (letter.reason and letter.error and letter.message)
    ]
