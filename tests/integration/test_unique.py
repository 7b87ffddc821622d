"""Unique jobs: many submissions at once, submissions that are cut off, and keys that expire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from warrener import DuplicateJob, WarrenerError
from warrener.client import Client
from warrener.outgoing import Outgoing
from warrener.publishing import Publisher
from warrener.settings import Settings

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true


@pytest.fixture(autouse=True)
async def declared(yard: Yard) -> None:
    """The queue exists, and nobody works on it."""
    await yard.client.publisher.ready()


class CutOff(Client):
    """A client that is killed when it has reserved, before it publishes."""

    def __init__(self, settings: Settings, queues: Sequence[str]) -> None:
        publisher = Publisher(settings, "cut off", queues)

        async def never(_: Sequence[Outgoing]) -> list[WarrenerError | None]:
            raise asyncio.CancelledError

        publisher.publish_many = never  # type: ignore[assignment, method-assign]
        super().__init__(settings, queues, publisher=publisher)


async def ready(yard: Yard) -> int:
    found = await yard.client.publisher.depth(QUEUE)
    assert found is not None
    return found.message_count or 0


async def test_of_many_submissions_at_once_one_job_comes(yard: Yard) -> None:
    submissions = [await yard.app.drafter().draft(tasks.alone.s("page", n)) for n in range(40)]
    clients = [Client(yard.app.settings, (QUEUE,)) for _ in range(4)]
    found = await asyncio.gather(
        *(clients[n % 4].submit([submission]) for n, submission in enumerate(submissions))
    )
    for client in clients:
        await client.close()
    [job_id] = {answer for [answer] in found}
    assert isinstance(job_id, str)
    async with yard.worker():
        [status] = await yard.ended(job_id)
    assert status.state == "SUCCESS"
    assert len([event for event in yard.events() if event == "start page"]) == 1


async def test_of_many_that_may_be_refused_one_is_accepted(yard: Yard) -> None:
    answers = await asyncio.gather(
        *(tasks.alone_or_error.send("page") for _ in range(40)), return_exceptions=True
    )
    accepted = [answer for answer in answers if not isinstance(answer, DuplicateJob)]
    assert len(accepted) == 1
    assert await ready(yard) == 1


async def test_a_submission_that_was_cut_off_costs_the_next_nothing(yard: Yard) -> None:
    submission = await yard.app.drafter().draft(tasks.alone.s("page", 1))
    cut = CutOff(yard.app.settings, (QUEUE,))
    with pytest.raises(asyncio.CancelledError):
        await cut.submit([submission])
    await cut.close()
    # Nobody has its handle, and it is no job yet: the next one is made under its id.
    handle = await tasks.alone.send("page", 2)
    async with yard.worker():
        [status] = await yard.ended(handle)
    assert status.state == "SUCCESS"


async def test_after_its_expiry_the_next_is_accepted_while_the_first_waits(yard: Yard) -> None:
    first = await tasks.alone_briefly.send("page")
    assert (await tasks.alone_briefly.send("page")).id == first.id
    store = yard.client.store.client
    [lock] = await store.keys("warrener:unique:*")

    async def expired() -> bool:
        return not await store.exists(lock)

    await until_true(expired, "the key's end")
    second = await tasks.alone_briefly.send("page")
    assert second.id != first.id
    assert await ready(yard) == 2
