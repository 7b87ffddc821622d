"""What the store keeps of a workflow, and what a replay of its dead letters does: each end is told, what
was taken as a value stays one, and each part counts once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from warrener import Retry, Warrener, WorkflowHandle, chain, chord, group
from warrener.client import Client
from warrener.errors import WarrenerError
from warrener.messages import NO_ARGUMENTS, Message, encode
from warrener.outgoing import Outgoing
from warrener.selecting import ALL
from warrener.workflow_handles import NodeStatus
from warrener_workers.testing import WarrenerTest

app = Warrener(default_queue="q")
BROKEN: set[str] = set()
RAN: list[str] = []
TOLD: list[list[str]] = []


@app.task(retry=Retry(0))
async def step(*, name: str) -> str:
    RAN.append(name)
    if name in BROKEN:
        raise ValueError(name)
    return name


@app.task
async def joined(names: list[Any], name: str = "body") -> str:
    RAN.append(name)
    return "+".join(one if isinstance(one, str) else "error" for one in names)


@app.task
async def told(causes: list[dict[str, str]]) -> None:
    TOLD.append([cause["message"] for cause in causes])


@app.task
async def until_it_has_failed(flow: str) -> None:
    async with asyncio.timeout(60):
        while (await app.workflow(flow).status()).state != "FAILURE":  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture
async def test() -> AsyncIterator[WarrenerTest]:
    for notes in (BROKEN, RAN, TOLD):
        notes.clear()
    async with WarrenerTest(app).installed() as it:
        yield it


def tasks(node: NodeStatus) -> Iterator[NodeStatus]:
    if node.kind == "task":
        yield node
    for child in node.children:
        yield from tasks(child)


async def replayed(test: WarrenerTest) -> None:
    """The one dead letter is replayed, and what follows has run."""
    assert (await test.replay("q", ALL)).replayed == 1
    await test.drain()


async def counts(handle: WorkflowHandle[Any]) -> tuple[str, int, int]:
    status = await handle.status()
    return status.state, status.done, status.total


async def kept_for(flow: str) -> int:
    """Seconds after which the store forgets its plan."""
    seconds: int = await store().ttl(f"warrener:workflow:{{{flow}}}")
    return seconds


FOR_EVER = -1


def store() -> Any:
    backend = app.backend()
    assert isinstance(backend, Client)
    return backend.store.client


async def test_results_of_members_outlive_their_records_until_the_body_has_them(
    test: WarrenerTest,
) -> None:
    late = step.si(name="b").options(countdown=60)
    handle = await chord([step.si(name="a"), late], joined.s()).options(id="w").send()
    await test.advance(1)
    member = next(tasks((await handle.status()).tree))
    assert (member.state, await kept_for("w")) == ("SUCCESS", FOR_EVER)
    # As when its result and its record have expired meanwhile.
    assert await store().delete(*await store().keys(f"*{member.job_id}*")) > 0
    await test.drain()
    assert await handle.result(0) == "a+b"
    assert 0 < await kept_for("w") <= app.settings.result_ttl


async def test_a_message_carries_ids_however_large_the_plan(
    test: WarrenerTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = app.backend()
    assert isinstance(backend, Client)
    published: list[Message] = []
    publish = backend.publisher.publish_many

    async def noted(outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        published.extend(one.message for one in outgoing)
        return await publish(outgoing)

    monkeypatch.setattr(backend.publisher, "publish_many", noted)
    sizes = set()
    for members in (2, 200):
        published.clear()
        flow = chord([step.si(name="n" * 50) for _ in range(members)], joined.s())
        await flow.options(id=f"with-{members:03}").send()
        await test.drain()
        assert len(published) == members + 1
        sizes |= {len(encode(one).marshal()) - len(one.workflow or "") for one in published[:2]}
        assert {one.body for one in published} == {NO_ARGUMENTS}
    assert len(sizes) == 1


async def test_who_is_told_of_a_failure_is_told_of_the_next_one_after_its_repair(
    test: WarrenerTest,
) -> None:
    BROKEN.update("ab")
    flow = chain(step.si(name="a"), step.si(name="b")).options(on_error=told.s())
    handle = await flow.send()
    await test.drain()
    assert TOLD == [["a"]]
    BROKEN.remove("a")
    await replayed(test)
    assert TOLD == [["a"], ["b"]]
    BROKEN.clear()
    await replayed(test)
    assert await handle.result(0) == "b"
    assert TOLD == [["a"], ["b"]]


async def test_an_error_that_was_taken_as_a_value_stays_one_though_its_job_recovers(
    test: WarrenerTest,
) -> None:
    BROKEN.add("a")
    deep = chain(step.si(name="a"), step.si(name="after"))
    flow = group(chord([deep, step.si(name="b")], joined.s(), on_error="continue"))
    last = group(chain(step.si(name="a")), step.si(name="b"), on_error="continue")
    for one, result in ((flow, ["error+b"]), (last, [ERROR, "b"])):
        handle = await one.send()
        await test.drain()
        assert without_words(await handle.result(0)) == result
        before = await handle.status()
        BROKEN.clear()
        RAN.clear()
        await replayed(test)
        # The job has succeeded; what was made of its error has been handed on already.
        assert RAN == ["a"]
        assert await handle.status() == before
        assert without_words(await handle.result(0)) == result
        BROKEN.add("a")


ERROR = "an error"


def without_words(values: list[Any]) -> list[Any]:
    return [ERROR if isinstance(value, dict) else value for value in values]


async def test_one_that_recovers_in_time_gives_its_value(test: WarrenerTest) -> None:
    BROKEN.add("a")
    late = step.si(name="b").options(countdown=60)
    handle = await chord([step.si(name="a"), late], joined.s(), on_error="continue").send()
    await test.advance(1)
    assert await counts(handle) == ("STARTED", 1, 3)
    BROKEN.clear()
    assert (await test.replay("q", ALL)).replayed == 1
    await test.advance(1)
    assert await counts(handle) == ("STARTED", 1, 3)
    await test.drain()
    assert await handle.result(0) == "a+b"
    assert await counts(handle) == ("SUCCESS", 3, 3)


async def test_what_runs_beside_a_failure_ends_and_nothing_follows_it(test: WarrenerTest) -> None:
    BROKEN.add("a")
    following = step.si(name="next").options(countdown=60)
    beside = chain(until_it_has_failed.si("w"), following)
    handle = await group(step.si(name="a"), beside).options(id="w").send()
    await test.drain()
    assert await counts(handle) == ("FAILURE", 2, 3)
    broken, _, after = tasks((await handle.status()).tree)
    assert (broken.state, after.state, after.job_id) == ("FAILURE", "WAITING", None)
    assert (await handle.status()).finished == test.now
    # Repaired, it goes on where it stopped.
    BROKEN.clear()
    assert (await test.replay("q", ALL)).replayed == 1
    await test.advance(1)
    assert await counts(handle) == ("STARTED", 2, 3)
    assert (await handle.status()).finished is None
    assert await kept_for("w") == FOR_EVER
    await test.drain()
    assert await handle.result(0) == ["a", "next"]
    assert await counts(handle) == ("SUCCESS", 3, 3)
