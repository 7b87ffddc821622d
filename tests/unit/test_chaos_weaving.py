"""What chaos says of workflows: each way in which one may have gone wrong is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chaos.weaving import Flow, judge_flows, started_by, strangers
from warrener import JobStatus, State
from warrener.workflow_handles import NodeStatus
from warrener.workflows import Part


def record(state: State, job_id: str, task: str = "t", result: Any = None) -> JobStatus:
    facts: dict[str, Any] = dict.fromkeys(JobStatus.__dataclass_fields__)
    given = {"id": job_id, "state": state, "task": task, "result": result}
    return JobStatus(**{**facts, **given})


MEMBER = NodeStatus(1, "task", "SUCCESS", "chaos.tasks.succeed", "m")
BODY = NodeStatus(2, "task", "SUCCESS", "chaos.tasks.total", "b")
GOOD = Flow("f", 3, "SUCCESS", 3, (MEMBER, BODY))
DONE = {"m": record(State.SUCCESS, "m"), "b": record(State.SUCCESS, "b")}
RUNS = Counter("mb")


def found(
    flow: Flow,
    records: Mapping[str, JobStatus | None] | None = None,
    runs: Counter[str] = RUNS,
    dead: tuple[str, ...] = (),
) -> tuple[list[str], list[str]]:
    return judge_flows([flow], {**DONE, **(records or {})}, runs, frozenset(dead))


def test_one_that_went_well_is_clean() -> None:
    assert found(GOOD) == ([], [])


@pytest.mark.parametrize(
    "state, said", [("", "no plan"), ("STARTED", "STARTED"), ("PENDING", "PENDING")]
)
def test_one_that_has_not_ended_is_lost(state: str, said: str) -> None:
    assert found(replace(GOOD, state=state)) == ([f"workflow f: {said}"], [])


def test_a_result_that_is_not_what_the_plan_gives() -> None:
    assert found(replace(GOOD, result=2)) == ([], ["workflow f: came to 2, not 3"])


def test_a_part_that_was_left_out() -> None:
    never = replace(BODY, job_id=None)
    assert found(replace(GOOD, parts=(MEMBER, never)))[0] == [
        "workflow f: part 2 was never submitted"
    ]
    assert found(GOOD, runs=Counter("m"))[0] == ["workflow f: part 2 is SUCCESS, with 0 run(s)"]
    assert found(GOOD, {"b": record(State.REVOKED, "b")})[0] == [
        "workflow f: part 2 is REVOKED, with 1 run(s)"
    ]
    assert found(GOOD, {"b": None})[0] == ["workflow f: part 2 is no record, with 1 run(s)"]


def test_the_callback_of_the_other_end_is_not_missed() -> None:
    other = NodeStatus(3, "task", "WAITING", "chaos.tasks.tell_failure")
    assert found(replace(GOOD, parts=(*GOOD.parts, other))) == ([], [])
    mine = NodeStatus(3, "task", "WAITING", "chaos.tasks.tell_success")
    assert found(replace(GOOD, parts=(*GOOD.parts, mine)))[0]


def test_a_failure_needs_a_part_that_failed() -> None:
    failed = replace(GOOD, state="FAILURE")
    assert found(failed)[1] == ["workflow f: FAILURE, and no part of it is why"]
    letter = {"m": record(State.FAILURE, "m")}
    assert found(failed, letter, dead=("m",)) == ([], [])
    assert found(failed, letter)[1]
    assert found(failed, {"m": record(State.REVOKED, "m")}) == ([], [])


def test_workflows_that_jobs_have_submitted() -> None:
    records = [
        record(State.SUCCESS, "a", "chaos.tasks.weave", 4),
        record(State.FAILURE, "b", "chaos.tasks.weave"),
        record(State.SUCCESS, "c", "chaos.tasks.succeed", 4),
        None,
    ]
    assert started_by(records) == {"a.flow": 4}


def test_a_second_body_is_a_stranger() -> None:
    own, by_job = Part("f", 2, 1).job_id, Part("w.flow", 3).job_id
    records: dict[str, JobStatus | None] = {
        own: record(State.SUCCESS, own, "chaos.tasks.total"),
        by_job: record(State.SUCCESS, by_job, "chaos.tasks.gather"),
        "w": record(State.REVOKED, "w", "chaos.tasks.weave"),
        "x": record(State.SUCCESS, "x", "chaos.tasks.succeed"),
    }
    assert strangers(["f"], records) == []
    records["y"] = record(State.SUCCESS, "y", "chaos.tasks.total")
    assert strangers(["f"], records) == ["y: chaos.tasks.total, and no part of a workflow"]
