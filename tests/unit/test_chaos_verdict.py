"""The verdict of chaos: each broken promise is found, and a clean run is clean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos import ledger
from chaos.crowd import sent_by
from chaos.ledger import Execution
from chaos.pulses import TASK, Ticks
from chaos.throttles import A_SECOND, HELD_UP, IN_FLIGHT, METERED, NARROW, SEEN_LATE, SHARED, WINDOW
from chaos.verdict import Evidence, Letter, Verdict, judge
from chaos.weaving import Flow
from warrener import JobStatus, State


def record(state: State, job_id: str = "a", finished: float | None = 110.0) -> JobStatus:
    facts: dict[str, Any] = dict.fromkeys(JobStatus.__dataclass_fields__)
    given = {"id": job_id, "attempt": 1, "state": state, "finished": finished}
    return JobStatus(**{**facts, **given})


def run(**changes: Any) -> Execution:
    """Ten seconds in one process, by the clock and by the calendar."""
    usual = Execution("a", 0, 1, "p1", began=0.0, began_at=100.0, ended=10.0, died=False)
    return replace(usual, **changes)


LETTER = Letter("a", "error", "ValueError", "no")
CLEAN = Evidence(
    frozenset({"a", "b"}),
    {"a": record(State.SUCCESS), "b": record(State.REVOKED, "b")},
    [run()],
    [],
    {},
)


def verdict(**changes: Any) -> Verdict:
    return judge(replace(CLEAN, **changes))


def test_a_clean_run_is_ok() -> None:
    assert judge(CLEAN) == Verdict()
    assert judge(CLEAN).ok


@pytest.mark.parametrize("state", [None, State.PENDING, State.STARTED, State.RETRY])
def test_an_accepted_job_that_has_not_ended_is_lost(state: State | None) -> None:
    records = {**CLEAN.records, "a": record(state) if state else None}
    found = verdict(records=records)
    assert len(found.lost) == 1
    assert found.lost[0].startswith("a: ")
    assert not found.ok


def test_a_job_that_ran_without_being_accepted_must_end_as_well() -> None:
    # The answer to its submission was lost.
    assert verdict(executions=[run(), run(job_id="c")]).lost == ["c: no record"]


def test_a_failure_needs_its_letter() -> None:
    records = {**CLEAN.records, "a": record(State.FAILURE)}
    assert verdict(records=records).lost == ["a: FAILURE, and no letter in its dead queue"]
    assert verdict(records=records, letters=[LETTER]).ok


def test_a_start_after_success_is_a_rerun() -> None:
    again = run(attempt=2, began=20.0, began_at=120.0, ended=21.0)
    found = verdict(executions=[run(), again])
    assert found.rerun == ["a: SUCCESS at 110.000, started again at 120.000"]
    assert found.overlapped == []


def test_a_start_after_its_revocation_is_a_rerun() -> None:
    # A run that had ended before, such as a first attempt, is none.
    records = {**CLEAN.records, "a": record(State.REVOKED)}
    assert verdict(records=records, revoked={"a": 100.5}).ok
    found = verdict(records=records, revoked={"a": 99.5})
    assert found.rerun == ["a: revoked by 99.500, started at 100.000"]


def test_what_was_revoked_stays_revoked() -> None:
    found = verdict(revoked={"a": 200.0})
    assert found.rerun == ["a: revoked by 200.000, and now SUCCESS"]


def test_a_start_after_a_failure_is_none() -> None:
    again = run(generation=1, began=20.0, began_at=120.0, ended=21.0)
    records = {**CLEAN.records, "a": record(State.FAILURE)}
    assert verdict(records=records, executions=[run(), again], letters=[LETTER]).ok


def test_two_runs_at_once_overlap() -> None:
    other = run(attempt=2, who="p2", began=9.9, began_at=109.9, ended=12.0)
    [line] = verdict(executions=[other, run()]).overlapped
    assert line == "a: 0.2 began in p2 0.100 s before 0.1 ended in p1"


def test_a_run_within_another_overlaps_whatever_lies_between() -> None:
    long, short = run(ended=30.0), run(attempt=2, began=5.0, ended=6.0)
    late = run(attempt=3, began=20.0, ended=21.0)
    assert len(verdict(executions=[long, short, late]).overlapped) == 2


@pytest.mark.parametrize(
    "before, died, overlaps",
    [(SEEN_LATE - 0.01, True, 0), (SEEN_LATE + 0.01, True, 1), (0.01, False, 1), (0.0, False, 0)],
)
def test_only_a_death_may_be_seen_late(before: float, died: bool, overlaps: int) -> None:
    first = run(died=died)
    second = run(who="p2", attempt=2, began=first.ended - before, ended=20.0)
    assert len(verdict(executions=[first, second]).overlapped) == overlaps


def test_runs_of_two_jobs_may_be_at_once() -> None:
    assert verdict(executions=[run(), run(job_id="b")]).ok


@pytest.mark.parametrize("missing", ["reason", "error", "message"])
def test_a_letter_must_say_why(missing: str) -> None:
    found = verdict(letters=[replace(LETTER, **{missing: ""})])
    assert found.other == ["a: a dead letter that does not say why"]


def test_what_is_left_in_a_queue_is_named() -> None:
    assert verdict(depths={"warrener.delay.03": 2}).other == [
        "2 message(s) left in warrener.delay.03"
    ]


# The ledger ------------------------------------------------------------------------------------------


def line(event: str, at: float, attempt: int = 1, who: str = "p1") -> str:
    return json.dumps([event, "a", 0, attempt, who, at, 100 + at])


def test_a_start_and_an_end_are_one_run() -> None:
    assert ledger.read([line("start", 0.0), line("end", 10.0)], {}) == [run()]


def test_a_run_without_an_end_ended_with_its_process() -> None:
    [found] = ledger.read([line("start", 0.0)], {"p1": 7.0})
    assert (found.ended, found.died) == (7.0, True)
    [alive] = ledger.read([line("start", 0.0)], {})
    assert alive.ended == float("inf")


def test_an_attempt_may_run_twice_in_one_process() -> None:
    lines = [line("start", 0.0), line("start", 5.0), line("end", 6.0)]
    found = sorted(ledger.read(lines, {}), key=lambda one: one.began)
    assert [(one.began, one.ended, one.died) for one in found] == [
        (0.0, float("inf"), True),
        (5.0, 6.0, False),
    ]


def test_an_end_without_a_start_is_no_run() -> None:
    assert ledger.read([line("end", 1.0)], {}) == []


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    ledger.write(tmp_path, "start", "a", 1, 2, "p1")
    ledger.write(tmp_path, "end", "a", 1, 2, "p1")
    [found] = ledger.read((tmp_path / "ledger").read_text().splitlines(), {})
    assert (found.job_id, found.generation, found.attempt, found.who) == ("a", 1, 2, "p1")
    assert found.began <= found.ended
    assert not found.died


def test_a_pulse_that_is_no_ticks_is_found() -> None:
    pulse = replace(record(State.SUCCESS, "x"), task=TASK)
    found = Ticks(frozenset({"a"})).strangers({"a": replace(pulse, id="a"), "x": pulse, "b": None})
    assert found == ["x: a pulse that is no tick"]


def test_of_one_key_no_more_than_two_run_at_once() -> None:
    records = {name: replace(record(State.SUCCESS, name), task=SHARED) for name in "abc"}
    runs = [
        run(job_id=name, began=began, ended=began + 10)
        for name, began in zip("abc", (0.0, 4.0, 10.0), strict=True)
    ]
    usual: dict[str, Any] = {"accepted": frozenset("abc"), "records": records}
    assert verdict(**usual, executions=runs).ok
    early = [*runs[:2], replace(runs[2], began=9.9)]
    assert verdict(**usual, executions=early).other == ["c: began beside 2 others of its limit"]
    # One that was cut off by the end of its process, which is seen late.
    cut = [replace(runs[0], died=True), *early[1:]]
    assert verdict(**usual, executions=cut).ok


def test_of_a_limited_task_no_more_than_three_run_at_once() -> None:
    records = {name: replace(record(State.SUCCESS, name), task=NARROW) for name in "abcd"}
    runs = [run(job_id=name) for name in "abcd"]
    usual: dict[str, Any] = {"accepted": frozenset("abcd"), "records": records}
    assert verdict(**usual, executions=runs[:IN_FLIGHT]).ok
    assert verdict(**usual, executions=runs).other == ["d: began beside 3 others of its limit"]


def test_of_a_metered_task_so_many_start_within_a_window() -> None:
    most = round(WINDOW * A_SECOND) + 1 + HELD_UP
    jobs = [f"m{n}" for n in range(most + 1)]
    records = {name: replace(record(State.SUCCESS, name), task=METERED) for name in jobs}
    usual: dict[str, Any] = {"accepted": frozenset(jobs), "records": records}

    def starts(seconds: float) -> list[Execution]:
        each = seconds / most
        return [run(job_id=name, began=n * each, ended=n * each) for n, name in enumerate(jobs)]

    assert verdict(**usual, executions=starts(WINDOW + 0.1)).ok
    [line] = verdict(**usual, executions=starts(WINDOW - 0.1)).other
    assert line == f"{jobs[-1]}: start {most + 1} of its task within 4.9 s"


def test_what_jobs_have_sent_counts_as_accepted() -> None:
    def rush(state: State, result: Any) -> JobStatus:
        return replace(record(state), task="chaos.tasks.rush", result=result)

    assert sent_by([rush(State.SUCCESS, ["x", "y"]), rush(State.REVOKED, None), None]) == {"x", "y"}
    assert sent_by([replace(record(State.SUCCESS), task="chaos.tasks.burn", result=7)]) == set()


def test_a_workflow_that_is_lost_is_said() -> None:
    assert verdict(flows=[Flow("f", 1, "STARTED")]).lost == ["workflow f: STARTED"]
