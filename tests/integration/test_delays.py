"""Delays: a job whose time is further away than the ladder reaches, and one that comes early."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import pytest

from warrener import ConfigurationError, State
from warrener.topology import LONGEST_DELAY, LONGEST_WAIT, RUNGS, Names

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true

TOP = f"warrener.delay.{RUNGS - 1}"
YEARS = 5 * 365.25 * 86_400.0


async def taken(yard: Yard, queue: str) -> aio_pika.abc.AbstractIncomingMessage:
    """The next message of a queue, for good."""
    found: list[aio_pika.abc.AbstractIncomingMessage] = []

    async def there() -> bool:
        async with await aio_pika.connect(yard.amqp_url) as connection:
            source = await (await connection.channel()).get_queue(queue)
            message = await source.get(fail=False, no_ack=True, timeout=5)
            found.extend([message] if message else [])
        return bool(found)

    await until_true(there, f"a message in {queue}")
    return found[0]


async def climbed(yard: Yard, message: aio_pika.abc.AbstractIncomingMessage) -> None:
    """As if it had come down the whole ladder: 310 days later it leaves by the exit, as it is."""
    headers = {k: v for k, v in message.headers.items() if not k.startswith("x-")}
    async with await aio_pika.connect(yard.amqp_url) as connection:
        exit_ = await (await connection.channel()).get_exchange(Names("warrener").deliver)
        again = aio_pika.Message(
            message.body,
            headers=headers,
            type=message.type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            content_type=message.content_type,
            timestamp=message.timestamp,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        assert message.routing_key
        await exit_.publish(again, message.routing_key)


@pytest.mark.parametrize("when", ["countdown", "eta"])
async def test_a_date_years_away_is_carried_on_in_steps(yard: Yard, when: str) -> None:
    """Each time it comes down the ladder it is sent up again for the rest, unclaimed and uncharged."""
    due = time.time() + YEARS
    options: dict[str, Any] = {"countdown": YEARS}
    if when == "eta":
        options = {"eta": datetime.fromtimestamp(due, UTC)}
    async with yard.worker():
        job = await tasks.run.options(**options).send("far")
        for _ in range(3):
            message = await taken(yard, TOP)
            assert set(str(message.routing_key).split(".")[:RUNGS]) == {"1"}, "the whole ladder"
            header = message.headers["due"]
            assert isinstance(header, int)
            assert abs(header / 1000 - due) < 60, "the due time stays, whatever the step"
            await climbed(yard, message)
        await taken(yard, TOP)
        status = await yard.status(job)
    assert (status.state, status.attempt, status.losses) == (State.SCHEDULED, 1, 0)
    assert status.due is not None
    assert abs(status.due - due) < 60
    assert (status.worker, status.started) == (None, None), "nobody has claimed it"
    assert yard.events("far") == []


async def test_one_that_comes_early_waits_for_the_rest_and_runs_in_time(yard: Yard) -> None:
    """The last step of a long way: `due` is soon, and the message is in the work queue already."""
    due = time.time() + 1.5
    async with yard.worker():
        await yard.publish(
            b'{"kwargs": {"name": "early"}}',
            type=tasks.run.name,
            correlation_id="early",
            content_type="application/json",
            headers={"due": round(due * 1000)},
        )
        [status] = await yard.ended("early")
    assert (status.state, status.attempt) == (State.SUCCESS, 1)
    assert status.started is not None
    assert status.started >= round(due * 1000) / 1000, "not a moment early"
    assert yard.events("early") == ["start early", "end early"]


async def test_a_revoked_job_of_years_away_never_runs_and_leaves_in_its_time(yard: Yard) -> None:
    async with yard.worker():
        job = await tasks.run.options(countdown=LONGEST_DELAY + 60).send("never")
        message = await taken(yard, TOP)
        assert await job.revoke()
        message.headers["due"] = round(time.time() * 1000)
        await climbed(yard, message)

        async def gone() -> bool:
            found = await yard.client.publisher.depth(QUEUE)
            return found is not None and found.message_count == 0

        await until_true(gone, "an empty queue")
        await tasks.run.send("after")
        await yard.noted("end after")
    assert yard.events("never") == []
    assert (await yard.status(job)).state is State.REVOKED


def test_a_naive_time_is_refused_and_a_hundred_years_are_the_end() -> None:
    with pytest.raises(ConfigurationError, match="has no time zone"):
        tasks.run.options(eta=datetime(2040, 1, 1))
    with pytest.raises(ConfigurationError, match="has no time zone"):
        tasks.run.options(expires=datetime(2040, 1, 1))
    assert timedelta(seconds=LONGEST_WAIT) > timedelta(days=36_000)
