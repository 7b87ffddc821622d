"""What a worker shows: its log lines, progress, the lifespan, and why it does not start."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from warrener import State

from . import yard as tasks
from .conftest import APP, QUEUE, Yard, children


async def test_json_lines_say_which_job_speaks(yard: Yard) -> None:
    async with yard.worker("--log-format", "json", "--name", "tony") as worker:
        job = await tasks.speaks.send("hello")
        line = json.loads(await worker.says("the task says hello"))
        assert line["job"] == job.id
        assert line["task"] == tasks.speaks.name
        assert (line["queue"], line["attempt"], line["worker"]) == (QUEUE, 1, "tony")
        assert (line["level"], line["logger"]) == ("INFO", "yard")
        await yard.ended(job)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    lines = [json.loads(line) for line in worker.lines if line != "(end of output)"]
    assert all(line["worker"] == "tony" for line in lines)


async def test_what_becomes_of_a_job_is_logged_with_the_job(yard: Yard) -> None:
    async with yard.worker("--log-format", "json") as worker:
        job = await tasks.fails.send("a", 9, kind="KeyError")
        retried = json.loads(await worker.says("its next attempt is due in"))
        buried = json.loads(await worker.says("is dead-lettered"))
        await yard.ended(job)
    for line, attempt in ((retried, 1), (buried, 3)):
        assert (line["job"], line["task"], line["queue"]) == (job.id, tasks.fails.name, QUEUE)
        assert line["attempt"] == attempt
        assert "KeyError" in line["message"]


async def test_text_lines_say_it_as_well(yard: Yard) -> None:
    async with yard.worker("--name", "tony") as worker:
        job = await tasks.speaks.send("hello")
        line = await worker.says("the task says hello")
        assert f"[tony job={job.id} task={tasks.speaks.name} queue={QUEUE} attempt=1]" in line


async def test_progress_and_worker_are_shown_while_a_job_runs(yard: Yard) -> None:
    async with yard.worker("--name", "tony"):
        job = await tasks.reports.send("a", "gate")
        await yard.noted("reported a")
        status = await yard.status(job)
        while status.progress is None:
            status = await yard.status(job)
        assert (status.state, status.worker) == (State.STARTED, "tony")
        assert status.progress == {"done": 3, "total": 4, "note": "nearly"}
        yard.open("gate")
        [status] = await yard.ended(job)
        # What the lifespan yielded.
        assert status.result == "resources"


async def test_each_child_enters_the_lifespan_once_and_leaves_it_after_its_jobs(
    yard: Yard,
) -> None:
    async with yard.worker("--processes", "2") as worker:
        await yard.noted("enter lifespan", 2)
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        assert len(children(worker)) == 2
        worker.kill(signal.SIGTERM)
        await worker.says("finishing ")
        yard.open("gate")
        await yard.ended(job)
        assert await worker.ended() == 0
    for child in yard.pids("enter lifespan"):
        mine = [event for event, pid in _events(yard) if pid == child]
        assert mine in (["enter", "leave"], ["enter", "start", "end", "leave"])


def _events(yard: Yard) -> list[tuple[str, int]]:
    lines = (yard.folder / "ledger").read_text().splitlines()
    return [(line.split()[0], int(line.split()[2])) for line in lines]


async def test_an_app_that_cannot_be_imported_ends_the_worker_and_holds_no_message(
    yard: Yard, tmp_path: Path
) -> None:
    await yard.client.publisher.ready()
    await tasks.run.send("kept")
    (tmp_path / "faulty.py").write_text("import warrener\n1 / 0  # in line 2\n")
    command = ("worker", QUEUE, "--app")
    async with yard.running(*command, "faulty:app", PYTHONPATH=str(tmp_path)) as worker:
        assert await worker.ended() == 3
    assert "ZeroDivisionError" in worker.log
    assert "line 2" in worker.log
    assert len(await yard.waiting(QUEUE)) == 1
    async with yard.running(*command, f"{APP}let") as worker:
        assert await worker.ended() == 3
    assert "applet" in worker.log
