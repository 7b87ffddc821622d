"""The command line on a living worker: submitting, looking up, emptying queues, dead letters, topology."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE
from warrener import Warrener
from warrener_workers.nodes import RabbitNode, RedisNode

from .commands import Done
from .place import APP, Place, new_place
from .shop import FAST, IDLE, SLOW

SETTINGS = {"beat": 1.0}  # a job is listed as active once it has run for a beat

stranger = Warrener()
"""An app without tasks."""


def _printed(done: Done) -> Any:
    """The JSON document that a command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _submit(place: Place, *arguments: str) -> str:
    done = place.run("submit", "--app", APP, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# submit and job --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task, arguments, result",
    [
        ("shop.add", ["a=2", "b=3"], 5),
        ("shop.add", ["--args", "[2]", "b=4"], 6),
        ("shop.add", ["--kwargs", '{"a": 2}', "b=5"], 7),
        ("shop.order", ['order={"placed": "2030-01-02", "lines": []}'], 0),
    ],
)
def test_a_submitted_job_is_waited_for(
    staffed: Place, task: str, arguments: list[str], result: object
) -> None:
    job = _printed(staffed.run("submit", "--app", APP, task, *arguments, "--wait", "--json"))
    assert (job["state"], job["result"], job["attempt"]) == ("SUCCESS", result, 1)


@pytest.mark.parametrize("exponent", [63, 64, 70, 1000])
def test_a_whole_number_of_any_length_goes_in_and_comes_out_in_one_line(
    staffed: Place, exponent: int
) -> None:
    big = 2**exponent
    for arguments in ([f"a={big}", "b=0"], ["--args", f"[{big}]", "b=0"]):
        done = staffed.run("submit", "--app", APP, "shop.add", *arguments, "--wait")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == f"          result  {big}"
    job_id = _submit(staffed, "shop.power", "base=2", f"exponent={exponent}", "--wait", "--json")
    assert json.loads(job_id)["result"] == big
    shown = staffed.run("job", json.loads(job_id)["id"])
    assert shown.stdout.splitlines()[-1] == f"          result  {big}"


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "-1"])
def test_a_time_that_never_comes_is_refused(place: Place, number: str) -> None:
    job = ("submit", "--app", APP, "shop.wait_in_line", "number=1")
    waited = place.run(*job, "--wait", f"--timeout={number}")
    assert waited.returncode == 2
    assert "it must be a number of seconds, and is" in waited.stderr
    delayed = place.run(*job, f"--countdown={number}")
    assert delayed.returncode == 6
    assert "is not possible: it must be between 0 and" in delayed.stderr


@pytest.mark.parametrize("limit", ["99999999999999999999", "0", "-1"])
def test_a_limit_that_is_out_of_bounds_is_refused(place: Place, limit: str) -> None:
    for command in (("list", FAST), ("replay", FAST, "--all")):
        done = place.run("dead", *command, "--limit", limit)
        assert done.returncode == 2
        assert "'--limit'" in done.stderr


def test_text_that_is_no_json_is_taken_as_text(staffed: Place, tmp_path: Path) -> None:
    path = tmp_path / "a=b"
    staffed.run("submit", "--app", APP, "shop.note", f"path={path}", "line=so be it", "--wait")
    assert path.read_text() == "so be it\n"


def test_submit_prints_the_id_and_nothing_else(staffed: Place) -> None:
    job_id = _submit(staffed, "shop.add", "a=1")
    job = _printed(staffed.run("job", job_id, "--json"))
    assert (job["id"], job["task"], job["queue"]) == (job_id, "shop.add", FAST)
    submitted = _printed(staffed.run("submit", "--app", APP, "shop.add", "a=1", "--json"))
    assert list(submitted) == ["id"]


def test_a_task_that_only_workers_know_is_submitted_by_name(staffed: Place) -> None:
    job = _printed(
        staffed.run(
            "submit", "--app", f"{__name__}:stranger", "shop.add", "a=1", "--wait", "--json"
        )
    )
    assert job["result"] == 2


def test_a_job_of_a_given_id_runs_once(staffed: Place, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = ("shop.note", f"path={trace}", "line=ran", "--id", "note-1")
    assert [_submit(staffed, *job) for _ in range(2)] == ["note-1", "note-1"]
    assert staffed.run("submit", "--app", APP, *job, "--wait").returncode == 0
    assert staffed.run("submit", "--app", APP, "shop.add", "a=1", "--wait").returncode == 0
    assert trace.read_text() == "ran\n"


def test_waiting_for_a_job_that_fails_exits_7_and_shows_the_traceback(staffed: Place) -> None:
    done = staffed.run("submit", "--app", APP, "shop.sell", "cause=value", "--wait")
    assert done.returncode == 7
    assert "FAILURE" in done.stdout
    assert "ValueError: no value" in done.stdout
    assert "raise {" in done.stdout


def test_waiting_no_longer_than_the_timeout_exits_7_and_the_job_goes_on(
    staffed: Place, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = ("shop.hold", f"until={go}", "--wait", "--timeout", "0.1", "--json")
    done = staffed.run("submit", "--app", APP, *job)
    assert done.returncode == 7
    shown = json.loads(done.stdout)
    assert shown["state"] in ("PENDING", "STARTED")
    go.touch()
    again = staffed.run("submit", "--app", APP, *job[:2], "--id", shown["id"], "--wait", "--json")
    assert _printed(again)["result"] == "let go"


def test_a_countdown_is_shown_with_the_time_when_it_is_due(staffed: Place) -> None:
    job_id = _submit(staffed, "shop.add", "a=1", "--countdown", "3600")
    shown = staffed.run("job", job_id)
    assert "SCHEDULED" in shown.stdout
    assert "due" in shown.stdout


# status, inspect, queues -----------------------------------------------------------------------------


def test_status_lists_the_living_workers(staffed: Place) -> None:
    [worker] = _printed(staffed.run("status", "--json"))
    assert (worker["name"], worker["queues"]) == ("shop-1", [FAST, SLOW])
    assert "shop-1" in staffed.run("status").stdout
    assert staffed.run("status", "--name", "shop-1").returncode == 0


def test_status_of_a_worker_that_is_gone_exits_1(staffed: Place) -> None:
    done = staffed.run("status", "--name", "shop-2")
    assert done.returncode == 1
    assert "no worker lives" in done.stdout
    assert json.loads(staffed.run("status", "--name", "shop-2", "--json").stdout) == []


def test_inspect_active_lists_a_job_that_runs(staffed: Place, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job_id = _submit(staffed, "shop.hold", f"until={go}")
    deadline = time.monotonic() + PATIENCE
    while not (running := _printed(staffed.run("inspect", "active", "--json"))):
        assert time.monotonic() < deadline
    assert [(job["id"], job["worker"]) for job in running] == [(job_id, "shop-1")]
    table = staffed.run("inspect", "active").stdout
    assert job_id in table
    assert "shop.hold" in table
    go.touch()


def test_inspect_scheduled_lists_what_waits_by_when_it_is_due(staffed: Place) -> None:
    later, soon = (
        _submit(staffed, "shop.add", "a=1", "--countdown", seconds) for seconds in ("7200", "3600")
    )
    waiting = {job["id"]: job for job in _printed(staffed.run("inspect", "scheduled", "--json"))}
    assert [id_ for id_ in waiting if id_ in {later, soon}] == [soon, later]
    due = waiting[soon]["due"]
    assert due == pytest.approx(waiting[soon]["created"] + 3600, abs=0.002)
    table = staffed.run("inspect", "scheduled").stdout
    assert soon in table
    assert f"{datetime.fromtimestamp(due, UTC):%Y-%m-%d %H:%M:%SZ}" in table


def test_purge_asks_first_and_then_revokes_what_waits(staffed: Place) -> None:
    ids = [_submit(staffed, "shop.wait_in_line", f"number={n}") for n in range(3)]
    queues = {queue["name"]: queue for queue in _printed(staffed.run("queues", "--json"))}
    assert queues[IDLE]["ready"] == 3
    assert queues[FAST]["consumers"] == 1
    refused = staffed.run("purge", IDLE, typed="n\n")
    assert refused.returncode == 1
    assert f"Remove 3 waiting job(s) from {IDLE}?" in refused.stdout
    nobody = staffed.run("purge", IDLE)
    assert nobody.returncode == 1
    assert _printed(staffed.run("job", ids[0], "--json"))["state"] == "PENDING"
    assert "3 job(s) revoked" in staffed.run("purge", IDLE, typed="y\n").stdout
    for job_id in ids:
        job = _printed(staffed.run("job", job_id, "--json"))
        assert (job["state"], job["reason"]) == ("REVOKED", "purged")
    assert _printed(staffed.run("purge", IDLE, "--yes", "--json"))["revoked"] == 0
    assert IDLE in staffed.run("queues").stdout


# Dead letters ----------------------------------------------------------------------------------------


def _dead(place: Place, count: int) -> dict[str, Any]:
    """The dead letters by job, once there are so many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        letters = _printed(place.run("dead", "list", SLOW, "--json"))
        if len(letters) == count:
            return {letter["job_id"]: letter for letter in letters}
        assert time.monotonic() < deadline


def test_dead_letters_are_listed_shown_and_replayed(staffed: Place) -> None:
    staffed.run("dead", "replay", SLOW, "--all")
    jobs = [_submit(staffed, "shop.sell", f"cause={cause}") for cause in ("timeout", "value")]
    letters = _dead(staffed, 2)
    letter = letters[jobs[0]]
    assert letter["id"] in staffed.run("dead", "list").stdout

    shown = staffed.run("dead", "show", letter["id"])
    assert "TimeoutError: no timeout" in shown.stdout
    assert '"cause":"timeout"' in shown.stdout
    assert _printed(staffed.run("dead", "show", letter["id"], "--json"))["job_id"] == jobs[0]

    dry = staffed.run("dead", "replay", SLOW, "--cause", "TimeoutError", "--dry-run")
    assert dry.stdout.startswith(f"{SLOW}: 1 would be replayed")
    assert set(_dead(staffed, 2)) == set(jobs)

    replayed = _printed(staffed.run("dead", "replay", SLOW, "--id", letter["id"], "--json"))
    assert (replayed["replayed"], replayed["job_ids"]) == (1, [jobs[0]])
    assert set(_dead(staffed, 1)) == {jobs[1]}
    again = staffed.run(
        "submit", "--app", APP, "shop.sell", "cause=timeout", "--id", jobs[0], "--wait"
    )
    assert "sold in generation 1" in again.stdout


def test_a_letter_that_nobody_knows_exits_5(staffed: Place) -> None:
    done = staffed.run("dead", "show", "no-such-letter")
    assert done.returncode == 5
    assert "No dead letter 'no-such-letter' is listed" in done.stderr


# Topology and the API's own start --------------------------------------------------------------------


def test_topology_is_declared_once_and_shown(rabbit: RabbitNode, redis_node: RedisNode) -> None:
    with new_place(rabbit, redis_node, "test-topology") as fresh:
        none = fresh.run("queues")
        assert "no queue exists yet" in none.stdout
        for _ in range(2):
            done = fresh.run("topology", "declare", "--app", APP)
            assert (done.returncode, done.stdout) == (0, "declared, with 3 work queue(s)\n")
        exist = {queue["name"] for queue in rabbit.manage("GET", "/api/queues/test-topology")}
        shown = _printed(fresh.run("topology", "show", "--app", APP, "--json"))
        assert exist == {queue["name"] for part in shown for queue in part["queues"]}
        table = fresh.run("topology", "show", "--app", APP).stdout
        assert all(queue in table for queue in exist)
