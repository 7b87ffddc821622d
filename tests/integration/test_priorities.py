"""Priorities: on brokers that have them, through delays, retries and replays; refused on others."""

from __future__ import annotations

import pytest
from aio_pika.abc import AbstractIncomingMessage

from warrener import PrioritiesUnsupported
from warrener.priorities import LADDER_KEEPS_THEM, QUORUM_HAS_THEM
from warrener.queues import Queues
from warrener.replaying import Replayer
from warrener.selecting import Selection

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true, version_of

PRIORITIES = {"WARRENER_MAX_PRIORITY": "9"}
CLASSIC = {**PRIORITIES, "WARRENER_QUEUE_TYPE": "classic"}


@pytest.fixture(params=["quorum", "classic"])
def kind(request: pytest.FixtureRequest, yard: Yard) -> str:
    """Each kind of queue."""
    wanted: str = request.param
    set_up(yard, wanted)
    return wanted


def set_up(yard: Yard, kind: str) -> None:
    chosen = {"max_priority": 9, "queue_type": kind}
    yard.app.settings = yard.app.settings.model_copy(update=chosen)


async def has_them(yard: Yard, kind: str) -> bool:
    """Whether this kind of queue has priorities here; where not, that it is refused, by sender and
    worker alike."""
    if kind == "classic" or version_of(yard.rabbit) >= QUORUM_HAS_THEM:
        return True
    with pytest.raises(PrioritiesUnsupported, match=r"RabbitMQ 3\.\d+ has no priorities in quorum"):
        await tasks.run.options(priority=9).send("refused")
    async with yard.running(
        "worker", QUEUE, "--app", "tests.integration.yard:app", **PRIORITIES
    ) as worker:
        assert await worker.ended() == 2
        assert "has no priorities in quorum queues: use RabbitMQ 4.0 or newer" in worker.log
    return False


async def the_only_one(yard: Yard) -> AbstractIncomingMessage:
    async def ready() -> bool:
        found = await yard.client.publisher.depth(QUEUE)
        return found is not None and found.message_count == 1

    await until_true(ready, "a message in the queue")
    [message] = await yard.waiting(QUEUE)
    return message


async def test_higher_ones_come_first(yard: Yard, kind: str) -> None:
    if not await has_them(yard, kind):
        return
    wanted = [0, 9, 3, 7, 1]
    jobs = [await tasks.run.options(priority=p).send(f"p{p}") for p in wanted]
    environment = CLASSIC if kind == "classic" else PRIORITIES
    async with yard.worker("-c", "1", **environment):
        await yard.ended(*jobs)
    order = [event.split()[1] for event in yard.events() if event.startswith("start")]
    if kind == "quorum" and version_of(yard.rabbit) < LADDER_KEEPS_THEM:
        # Two levels, of which the lower one has every third turn.
        assert set(order[:2]) == {"p9", "p7"}
    else:
        assert order == ["p9", "p7", "p3", "p1", "p0"]


async def test_a_priority_outlives_a_delay_a_retry_and_a_replay(yard: Yard, kind: str) -> None:
    if not await has_them(yard, kind):
        return
    behind_the_ladder = kept(yard, kind)
    environment = CLASSIC if kind == "classic" else PRIORITIES

    delayed = await tasks.broken.options(priority=9, countdown=0.3).send("b")
    message = await the_only_one(yard)
    assert (message.headers["priority"], message.priority or None) == (9, behind_the_ladder)

    async with yard.worker(**environment):
        [status] = await yard.ended(delayed)
        assert status.state == "FAILURE"
        await yard.letters(1)
    report = await Replayer(yard.client).replay(QUEUE, Selection(everything=True))
    assert report.replayed == 1
    message = await the_only_one(yard)
    assert (message.headers["priority"], message.priority) == (9, 9)

    async with yard.worker(**environment) as worker:
        await yard.ended(delayed)
        late = await tasks.gated.options(priority=9).send("g", "gate", 1)
        await yard.noted("start g")
        await Queues(yard.client).pause(QUEUE)
        await worker.says("queue yard is paused")
        yard.open("gate")
        message = await the_only_one(yard)  # its second attempt, which may not begin
        assert (message.headers["attempt"], message.headers["priority"]) == (2, 9)
        assert (message.priority or None) == behind_the_ladder
        await Queues(yard.client).resume(QUEUE)
        [status] = await yard.ended(late)
    assert (status.state, status.attempt) == ("SUCCESS", 2)


def kept(yard: Yard, kind: str) -> int | None:
    """What is left of a 9 behind the ladder. Before 4.3 a quorum rung that orders by priority lets others
    wait for too long: there the header alone climbs, and the job comes back as one without."""
    return 9 if kind == "classic" or version_of(yard.rabbit) >= LADDER_KEEPS_THEM else None


async def test_the_task_says_one_for_jobs_that_are_given_no_other(yard: Yard) -> None:
    set_up(yard, "classic")
    await tasks.urgent.send("u")
    assert (await the_only_one(yard)).priority == 7
