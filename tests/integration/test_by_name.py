"""Jobs that are sent by name, without the tasks' code: what workers have published holds for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from warrener import ConfigurationError, DuplicateJob, UnknownTask, Warrener, group
from warrener.declared import CatalogueEntry
from warrener.submissions import Submission

from . import yard as tasks
from .conftest import QUEUE, Yard


@pytest_asyncio.fixture
async def stranger(yard: Yard) -> AsyncIterator[Warrener]:
    """An app without tasks, once a worker has published those of the yard."""
    async with yard.worker():
        pass
    async with Warrener(settings=yard.app.settings) as app:
        yield app


async def drafted(app: Warrener, task: str, *args: object, **kwargs: object) -> Submission:
    return await app.drafter().draft(app.signature(task, *args, **kwargs))


async def test_keys_of_limits_and_priorities_are_those_that_a_producer_with_the_code_makes(
    yard: Yard, stranger: Warrener
) -> None:
    with_code = await yard.app.drafter().draft(tasks.serves.s("a", customer="ada"))
    assert with_code.concurrency_key == "ada"
    assert (await drafted(stranger, tasks.serves.name, "a", "ada")).concurrency_key == "ada"
    assert (
        await drafted(stranger, tasks.serves.name, name="a", customer="bo")
    ).concurrency_key == "bo"
    unique = (await yard.app.drafter().draft(tasks.alone.s("page", 1))).unique
    assert unique is not None
    assert (await drafted(stranger, tasks.alone.name, "page", 2)).unique == unique
    assert (await drafted(stranger, tasks.urgent.name, "a")).priority == 7
    call = stranger.signature(tasks.run.name, "a").options(concurrency_key="ada")
    with pytest.raises(ConfigurationError, match="has no limit per key"):
        await stranger.drafter().draft(call)
    with pytest.raises(UnknownTask):
        await stranger.drafter().draft(stranger.signature("no.such"))


async def test_unique_jobs_are_unique_whoever_sends_them(yard: Yard, stranger: Warrener) -> None:
    first = await tasks.alone.send("page", 1)
    assert (await stranger.send(tasks.alone.name, "page", 2)).id == first.id
    assert (await stranger.send(tasks.alone.name, name="page", number=3)).id == first.id
    assert (await stranger.send(tasks.alone.name, name="other", number=3)).id != first.id
    elsewhere = stranger.signature(tasks.alone.name, "page", 4).options(queue=QUEUE)
    assert (await elsewhere.send()).id == first.id
    await stranger.send(tasks.alone_or_error.name, "page")
    with pytest.raises(DuplicateJob):
        await tasks.alone_or_error.send("page")


async def test_of_many_calls_what_workers_have_published_is_asked_for_once(
    yard: Yard, stranger: Warrener, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, asked = stranger.backend(), list[str]()
    find = backend.find_task

    async def counted(task: str) -> CatalogueEntry | None:
        asked.append(task)
        return await find(task)

    monkeypatch.setattr(backend, "find_task", counted)
    calls = [stranger.signature(tasks.run.name, f"n{n}") for n in range(20)]
    assert len(await stranger.send_many(calls)) == 20
    assert asked == [tasks.run.name]
    await group([stranger.signature(tasks.run.name, f"g{n}") for n in range(20)]).send()
    assert asked == [tasks.run.name] * 2
