"""Redeliveries and second copies: a job runs once, and what an ended attempt still owes is paid."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from warrener import State, transitions
from warrener.messages import Message
from warrener.records import JobError
from warrener.transitions import Failing, Runner

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true, worker_stops

GONE = Runner("a worker that is gone", "gone")


def _message(job_id: str, task: Any, *args: Any) -> Message:
    body = json.dumps({"args": args}).encode()
    return Message(job_id, task.name, body, created=1_700_000_000.0)


async def _publish(yard: Yard, message: Message) -> None:
    headers = {"attempt": message.attempt, "generation": message.generation}
    await yard.publish(
        message.body, correlation_id=message.job_id, type=message.task, headers=headers
    )


async def _owes(yard: Yard, job_id: str) -> bool:
    store = yard.client.store
    return await store.client.hget(store.keys.job(job_id), "owed") is not None


async def _declared(yard: Yard) -> None:
    """The queues exist, though no worker has been there."""
    await yard.client.publisher.ready()


async def test_two_copies_that_arrive_together_run_once(yard: Yard) -> None:
    await _declared(yard)
    for _ in range(2):
        await _publish(yard, _message("twin", tasks.wait, "twin", "gate"))
    async with yard.worker() as worker:
        await worker.says("job twin is put back for now")
        yard.open("gate")
        [status] = await yard.ended("twin")
        assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        await worker.says("job twin acknowledged without running: it has ended")
        assert await worker_stops(worker) == 0
    assert yard.events("twin") == ["start twin", "end twin"]
    assert await yard.waiting(QUEUE) == []


async def test_a_copy_that_arrives_while_the_job_runs_is_parked_and_then_acknowledged(
    yard: Yard,
) -> None:
    async with yard.worker("--name", "first") as first:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        await _publish(yard, _message(job.id, tasks.wait, "a", "gate"))
        await first.says("it runs in this worker")
        async with yard.worker("--name", "second", queues=("other",)) as second:
            message = _message(job.id, tasks.wait, "a", "gate")
            await yard.publish(
                message.body, "other", correlation_id=job.id, type=message.task, headers={}
            )
            await second.says("worker first holds it")
            yard.open("gate")
            [status] = await yard.ended(job)
            for worker in (first, second):
                await worker.says(f"job {job.id} acknowledged without running")
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]
    assert await yard.waiting(QUEUE) == []


async def test_the_late_end_of_a_run_that_was_taken_over_is_refused_and_said(yard: Yard) -> None:
    store = yard.client.store
    async with yard.worker() as worker:
        job = await tasks.wait.send("late", "gate")
        await yard.noted("start late")
        # As another worker's claim leaves it.
        taken: dict[Any, Any] = {"token": "another", "owner": GONE.owner, "worker": GONE.worker}
        await store.client.hset(store.keys.job(job.id), mapping=taken)
        yard.open("gate")
        await worker.says(
            f"job {job.id} attempt 1 ended here after another worker had taken it over"
        )
        status = await yard.status(job)
        assert (status.state, status.result, status.worker) == (State.STARTED, None, GONE.worker)
        assert await worker_stops(worker) == 0
    assert yard.events("late") == ["start late", "end late"]


def _failing(error: JobError, owed: dict[str, float]) -> Failing:
    return Failing(error.to_json(), orjson.dumps({"attempt": 1}), orjson.dumps(owed), 60.0)


@pytest.mark.parametrize("published", [False, True])
async def test_a_retry_that_was_recorded_but_perhaps_not_published_is_published(
    yard: Yard, published: bool
) -> None:
    await _declared(yard)
    message, error = _message("debt", tasks.run, "debt"), JobError("ValueError", "first run")
    due = 1_700_000_001.0
    moves = [
        transitions.claim(message, QUEUE, "token", GONE, 1_700_000_000.0, 60.0),
        transitions.fail("debt", "token", due, _failing(error, {"retry": due}), due),
    ]
    await yard.client.store.apply(moves)
    if published:
        await _publish(yard, message.next_attempt())
    await _publish(yard, message)
    async with yard.worker() as worker:
        [status] = await yard.ended("debt")
        assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 2, 0)
        assert status.attempts == [{"attempt": 1}]
        # The first attempt's message once more: its time is over.
        await _publish(yard, message)
        await worker.says("job debt acknowledged without running")
        assert await worker_stops(worker) == 0
    assert yard.events("debt") == ["start debt", "end debt"]
    assert not await _owes(yard, "debt")
    assert await yard.waiting(QUEUE) == []


async def test_a_failure_that_was_recorded_but_not_dead_lettered_gets_its_letter(
    yard: Yard,
) -> None:
    await _declared(yard)
    message, died = _message("debt", tasks.run, "debt"), 1_700_000_001.0
    error = JobError("ValueError", "what it died of", "Traceback: …")
    moves = [
        transitions.claim(message, QUEUE, "token", GONE, 1_700_000_000.0, 60.0),
        transitions.fail("debt", "token", died, _failing(error, {"dead": died})),
    ]
    await yard.client.store.apply(moves)
    await _publish(yard, message)
    async with yard.worker() as worker:
        [letter] = await yard.letters(1)
        assert (letter.error, letter.died, letter.attempts) == (error, died, [{"attempt": 1}])

        async def paid() -> bool:
            return not await _owes(yard, "debt")

        await until_true(paid, "the debt is cleared")
        # And again: paid once, it is not paid twice.
        await _publish(yard, message)
        await worker.says("job debt acknowledged without running")
        assert await worker_stops(worker) == 0
    assert len(await yard.waiting(f"{QUEUE}.dead")) == 1
    assert not await _owes(yard, "debt")
    assert yard.events("debt") == []
