"""The workflows of a run: what each must come to, and whether it did. Pure but for the asking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warrener import JobStatus, State, Warrener, WorkflowNotFound
from warrener.workflow_handles import NodeStatus
from warrener.workflows import Part

WEAVE = "chaos.tasks.weave"
ENDED = ("SUCCESS", "FAILURE", "REVOKED")
NODES, ROUNDS = 25, 20
"""More parts than a workflow here has, and more often than each is submitted."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A workflow that was accepted, and what became of it. `parts` are its tasks and callbacks."""

    id: str
    wanted: int
    """What it must come to, if it succeeds."""
    state: str = ""
    """Empty: there is no plan."""
    result: Any = None
    parts: Sequence[NodeStatus] = ()


class Flows:
    """Asks how far those workflows are that were accepted."""

    def __init__(self, app: Callable[[], Warrener]) -> None:
        self._app = app
        self._ended: dict[str, Flow] = {}

    async def look(self, accepted: Mapping[str, int]) -> list[Flow]:
        """How each stands; those that have ended are not asked again."""
        return [self._ended.get(flow) or await self._one(flow, n) for flow, n in accepted.items()]

    async def _one(self, flow_id: str, wanted: int) -> Flow:
        handle, result = self._app().workflow(flow_id), None
        try:
            status = await handle.status()
        except WorkflowNotFound:
            return Flow(flow_id, wanted)
        if status.state == "SUCCESS":
            result = await handle.result()
        parts = [node for top in (status.tree, *status.callbacks) for node in _tasks(top)]
        flow = Flow(flow_id, wanted, status.state, result, parts)
        # A failure may be repaired by a replay.
        if status.state == "SUCCESS":
            self._ended[flow_id] = flow
        return flow


def _tasks(node: NodeStatus) -> Iterator[NodeStatus]:
    if node.task is not None:
        yield node
    for child in node.children:
        yield from _tasks(child)


def started_by(records: Iterable[JobStatus | None]) -> dict[str, int]:
    """The workflows that jobs have submitted, and what they must come to."""
    return {
        f"{record.id}.flow": int(record.result)
        for record in records
        if record is not None and record.task == WEAVE and record.state is State.SUCCESS
    }


def judge_flows(
    flows: Sequence[Flow],
    records: Mapping[str, JobStatus | None],
    runs: Counter[str],
    dead: frozenset[str],
) -> tuple[list[str], list[str]]:
    """What was lost, and what else is wrong. `runs`: how often each job ran, `dead`: jobs with a letter."""
    lost: list[str] = []
    other: list[str] = []
    for flow in flows:
        if flow.state not in ENDED:
            lost.append(f"workflow {flow.id}: {flow.state or 'no plan'}")
        elif flow.state == "SUCCESS":
            if flow.result != flow.wanted:
                other.append(f"workflow {flow.id}: came to {flow.result!r}, not {flow.wanted}")
            lost += _left_out(flow, records, runs)
        elif not any(_is_cause(part, records, dead) for part in flow.parts):
            other.append(f"workflow {flow.id}: {flow.state}, and no part of it is why")
    return lost, other


def _left_out(
    flow: Flow, records: Mapping[str, JobStatus | None], runs: Counter[str]
) -> Iterator[str]:
    for part in flow.parts:
        record = records.get(part.job_id or "")
        if part.job_id is None:
            # The callback of the end that it did not come to.
            if part.state != "WAITING" or part.task != "chaos.tasks.tell_failure":
                yield f"workflow {flow.id}: part {part.number} was never submitted"
        elif record is None or record.state is not State.SUCCESS or not runs[part.job_id]:
            state = "no record" if record is None else record.state
            yield f"workflow {flow.id}: part {part.number} is {state}, with {runs[part.job_id]} run(s)"


def _is_cause(
    part: NodeStatus, records: Mapping[str, JobStatus | None], dead: frozenset[str]
) -> bool:
    record = records.get(part.job_id or "")
    if record is None or part.job_id is None:
        return False
    return record.state is State.REVOKED or (record.state is State.FAILURE and part.job_id in dead)


def strangers(tried: Iterable[str], records: Mapping[str, JobStatus | None]) -> list[str]:
    """Jobs that only workflows have, and that are a part of none: a second body, say. `tried`: workflows
    that may have been accepted, beside those of jobs."""
    only = {"chaos.tasks.gather", "chaos.tasks.total", "chaos.tasks.tell_success"}
    by_jobs = {
        f"{job_id}.flow" for job_id, record in records.items() if record and record.task == WEAVE
    }
    ours = {
        Part(flow, node, number).job_id
        for flow in {*tried, *by_jobs}
        for node in range(NODES)
        for number in range(ROUNDS)
    }
    return [
        f"{job_id}: {record.task}, and no part of a workflow"
        for job_id, record in sorted(records.items())
        if record is not None and record.task in only and job_id not in ours
    ]
