"""Revoking jobs that wait, wait for their time, retry and run; and jobs that expire."""

from __future__ import annotations

import signal

import pytest

from warrener import JobEnded, JobHandle, JobNotFound, JobRevoked, JobStatus, State, transitions
from warrener.dead_letters import Death, bury
from warrener.messages import Message
from warrener.records import JobError
from warrener.replaying import Replayer
from warrener.selecting import Selection

from . import yard as tasks
from .conftest import APP, QUEUE, Yard, until, until_true, worker_stops


def assert_revoked(status: JobStatus, reason: str = "revoked") -> None:
    assert (status.state, status.reason, status.result) == (State.REVOKED, reason, None)


async def _empty(yard: Yard) -> bool:
    depth = await yard.client.publisher.depth(QUEUE)
    return depth is not None and not depth.message_count


async def _time_passes(yard: Yard, job: JobHandle[str], seconds: float) -> None:
    """Return once the job was submitted so long ago."""
    created = (await yard.status(job)).created
    assert created is not None
    await until(lambda: yard.client.clock() >= created + seconds, f"{seconds} s")


async def test_a_job_that_waits_never_runs_once_it_is_revoked(yard: Yard) -> None:
    job = await tasks.run.send("no")
    assert await job.revoke(reason="a mistake") is True
    assert_revoked(await yard.status(job), "a mistake")
    with pytest.raises(JobRevoked, match="a mistake"):
        await job.result()
    other = await tasks.run.send("yes")
    async with yard.worker():
        await yard.ended(other)
        await until_true(lambda: _empty(yard), "an empty queue")
    assert yard.events() == ["enter lifespan", "start yes", "end yes", "leave lifespan"]


async def test_a_job_that_waits_for_its_time_is_revoked_at_once(yard: Yard) -> None:
    async with yard.worker() as worker:
        job = await tasks.run.options(countdown=1).send("no")
        assert await job.revoke() is True
        assert_revoked(await yard.status(job))
        await worker.says(f"job {job.id} acknowledged without running")
    assert yard.events("no") == []


async def test_a_job_between_two_attempts_is_revoked_at_once(yard: Yard) -> None:
    async with yard.worker() as worker:
        job = await tasks.gated.send("try", "gate", 9)
        yard.open("gate")
        await worker.says(f"job {job.id} failed")

        async def retries() -> bool:
            return (await yard.status(job)).state is State.RETRY

        await until_true(retries, "RETRY")
        if await job.revoke():
            assert_revoked(await yard.status(job))
        else:  # its second attempt was quicker
            assert_revoked((await yard.ended(job))[0])
    assert len(await yard.letters(0)) == 0


@pytest.mark.parametrize("told", [True, False], ids=["told", "found on the beat"])
async def test_a_running_coroutine_is_cancelled_and_can_tidy_up(yard: Yard, told: bool) -> None:
    async with yard.worker("-c", "4") as worker:
        job, other = await tasks.tidy.send("no", "never"), await tasks.wait.send("yes", "gate")
        await yard.noted("start no")
        await yard.noted("start yes")
        if told:
            assert await job.revoke(reason="enough") is False
        else:
            ttl = yard.app.settings.dedupe_ttl
            move = transitions.ask_revoke(job.id, 1.0, "enough", ttl, terminate=False)
            [[answer, *_]] = await yard.client.store.apply([move])
            assert answer == b"asked"
        [status] = await yard.ended(job)
        assert_revoked(status, "enough")
        assert [attempt["type"] for attempt in status.attempts] == [
            "asyncio.exceptions.CancelledError"
        ]
        yard.open("gate")
        assert (await yard.ended(other))[0].losses == 0
        assert await worker_stops(worker) == 0
    assert yard.events("no") == ["start no", "tidied no"]
    assert yard.events("yes") == ["start yes", "end yes"]
    assert await yard.letters(0) == []
    assert await yard.waiting(QUEUE) == []


async def test_a_coroutine_that_goes_on_and_returns_has_succeeded(yard: Yard) -> None:
    async with yard.worker():
        job = await tasks.stubborn.send("on", "never")
        await yard.noted("start on")
        await job.revoke()
        [status] = await yard.ended(job)
        assert (status.state, status.result) == (State.SUCCESS, "on")
    assert yard.events("on") == ["start on", "refused on", "end on"]


async def test_a_plain_function_sees_that_it_is_revoked(yard: Yard) -> None:
    async with yard.worker():
        job = await tasks.looks.send("plain")
        await yard.noted("start plain")
        assert await job.revoke() is False
        assert_revoked((await yard.ended(job))[0])
    assert yard.events("plain") == ["start plain", "saw plain"]


async def test_terminated_its_process_is_killed_and_neighbours_run_again_uncharged(
    yard: Yard,
) -> None:
    async with yard.worker("-c", "4", WARRENER_NEIGHBOUR_GRACE="0.2"):
        job, other = (
            await tasks.wait_plain.send("no", "never"),
            await tasks.wait_plain.send("yes", "gate"),
        )
        await yard.noted("start no")
        await yard.noted("start yes")
        assert await job.revoke(terminate=True) is False
        assert_revoked((await yard.ended(job))[0])
        yard.open("gate")
        [status] = await yard.ended(other)
        assert (status.state, status.losses) == (State.SUCCESS, 0)
    assert yard.events("no") == ["start no"]


async def test_a_request_outlives_the_worker_that_was_asked(yard: Yard) -> None:
    async with yard.worker() as first:
        job = await tasks.wait.send("no", "never")
        await yard.noted("start no")
        first.kill(signal.SIGSTOP)
        assert await job.revoke() is False
        first.kill()
        await first.ended()
    async with yard.worker():
        assert_revoked((await yard.ended(job))[0])
        await until_true(lambda: _empty(yard), "an empty queue")
    assert yard.events("no") == ["start no"]


async def test_the_run_of_a_worker_that_is_gone_ends_though_its_queue_is_gone_too(
    yard: Yard,
) -> None:
    async with yard.worker() as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        worker.kill()
        await worker.ended()
    async with yard.client.publisher.own_channel() as channel:
        await channel.queue_delete(QUEUE)
    # Only asked as long as it may be alive, and whoever does not terminate does no more than ask.
    assert await job.revoke() is False
    await until_true(lambda: job.revoke(terminate=True, reason="record_lost"), "its end")
    assert_revoked(await yard.status(job), "record_lost")


async def test_what_redis_has_forgotten_is_revoked_by_who_says_that_he_knows_it(yard: Yard) -> None:
    job = await tasks.run.send("no")
    await yard.client.store.client.flushdb()
    codes = []
    for more in ([], ["--unknown"]):
        async with yard.running("revoke", job.id, *more, "--app", APP) as command:
            codes.append(await command.ended())
    assert codes[0]
    assert not codes[1]
    assert_revoked(await yard.status(job))
    async with yard.worker() as worker:
        await worker.says(f"job {job.id} acknowledged without running")
    assert yard.events("no") == []


async def test_a_revoked_job_that_its_stopping_worker_cuts_off_has_ended(yard: Yard) -> None:
    async with yard.worker(WARRENER_GRACE="0.2") as first:
        job = await tasks.wait_plain.send("no", "never")
        await yard.noted("start no")
        assert await job.revoke() is False
        assert await worker_stops(first) == 0
    assert_revoked(await yard.status(job))
    assert await yard.waiting(QUEUE) == []


async def test_what_has_ended_or_is_unknown_cannot_be_revoked(yard: Yard) -> None:
    async with yard.worker():
        job = await tasks.run.send("done")
        await yard.ended(job)
        with pytest.raises(JobEnded, match=f"{job.id} has ended as SUCCESS"):
            await job.revoke()
        with pytest.raises(JobNotFound):
            await yard.app.job("never-sent").revoke()


@pytest.mark.parametrize("countdown", [None, 1.0], ids=["queued", "delayed"])
async def test_a_job_that_has_expired_never_runs(yard: Yard, countdown: float | None) -> None:
    job = await tasks.run.options(expires=0.05, countdown=countdown).send("late")
    intime = await tasks.run.options(expires=600).send("in time")
    await _time_passes(yard, job, 0.05)
    async with yard.worker():
        assert_revoked((await yard.ended(job))[0], "expired")
        assert (await yard.ended(intime))[0].state is State.SUCCESS
    assert yard.events("late") == []


async def test_who_replays_a_dead_letter_wants_it_to_run_though_it_would_have_expired(
    yard: Yard,
) -> None:
    now = yard.client.clock()
    body = b'{"args": ["again"]}'
    late = Message("late", tasks.run.name, body, created=now - 9, expires=now - 5)
    outgoing, _ = bury(late, QUEUE, Death(JobError("ValueError", "no"), now - 6, "w", []))
    assert await yard.client.publisher.publish_many([outgoing]) == [None]
    async with yard.worker():
        await Replayer(yard.client).replay(QUEUE, Selection(everything=True))
        [status] = await yard.ended("late")
        assert (status.state, status.generation) == (State.SUCCESS, 1)
    assert yard.events("again") == ["start again", "end again"]
