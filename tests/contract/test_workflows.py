"""Workflows, on real parts and on the double alike."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from warrener import (
    ConfigurationError,
    IdempotencyConflict,
    State,
    WorkflowEnded,
    WorkflowFailed,
    WorkflowHandle,
    WorkflowNotFound,
    WorkflowRevoked,
    chain,
    chord,
    group,
)
from warrener.selecting import Selection
from warrener.workflow_handles import NodeStatus

from . import shop
from .conftest import Harness

SECONDS = 30


async def failed(handle: WorkflowHandle[Any]) -> WorkflowFailed:
    with pytest.raises(WorkflowFailed) as raised:
        await handle.result(SECONDS)
    return raised.value


def tasks_of(node: NodeStatus) -> list[NodeStatus]:
    inner = [task for child in node.children for task in tasks_of(child)]
    return [node, *inner] if node.kind == "task" else inner


async def goes_on(handle: WorkflowHandle[Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while (await handle.status()).state == "FAILURE":  # noqa: ASYNC110 — nothing announces it
            await asyncio.sleep(0.02)


async def test_a_chain_passes_each_result_on(harness: Harness) -> None:
    handle = await chain(shop.add.s(1), shop.add.s(), shop.add.s(10)).send()
    assert await handle.result(SECONDS) == 13
    status = await handle.status()
    assert (status.state, status.done, status.total) == ("SUCCESS", 3, 3)
    assert {node.state for node in tasks_of(status.tree)} == {"SUCCESS"}


async def test_si_does_not_take_it(harness: Harness) -> None:
    assert await (await (shop.add.s(1) | shop.add.si(5, 5)).send()).result(SECONDS) == 10


async def test_a_group_gives_its_results_in_order(harness: Harness) -> None:
    assert await (await group(shop.add.s(i) for i in range(8)).send()).result(SECONDS) == [
        *range(1, 9)
    ]


async def test_an_empty_group_gives_an_empty_list(harness: Harness) -> None:
    assert await (await chord([], shop.total.s()).send()).result(SECONDS) == 0


async def test_a_chords_body_takes_the_list_in_member_order(harness: Harness) -> None:
    handle = await chord([shop.add.s(i, 0) for i in range(30)], shop.as_they_are.s()).send()
    assert await handle.result(SECONDS) == [*range(30)]


async def test_they_nest(harness: Harness) -> None:
    inner = shop.add.s() | group(shop.add.s(), shop.add.s(5)) | shop.total.s()
    flow = chain(shop.add.s(1), group(inner, shop.add.s(), group(shop.add.s(), inner)))
    # 2 → [3 → [4, 8] → 12, 3, [3, 12]]
    assert await (await (flow | shop.as_they_are.s()).send()).result(SECONDS) == [12, 3, [3, 12]]


async def test_map_and_chunks(harness: Harness) -> None:
    assert await (await shop.add.map([1, 2, 3]).send()).result(SECONDS) == [2, 3, 4]
    handle = await shop.total.chunks(range(7), 3).send()
    assert await handle.result(SECONDS) == [3, 12, 6]


async def test_retries_and_delays_within(harness: Harness) -> None:
    flow = chord([shop.flaky.s(1), shop.add.s(1).options(countdown=0.3)], shop.total.s())
    assert await (await flow.send()).result(SECONDS) == 4


async def test_one_failure_fails_the_whole_and_what_waits_does_not_run(harness: Harness) -> None:
    late = shop.add.s(7).options(countdown=1)
    members = [shop.add_once_repaired.s(3), shop.add.s(1), late]
    flow = chord(members, shop.total.s()).options(on_error=shop.as_they_are.s())
    handle = await flow.send()
    assert "3 is broken" in str(await failed(handle))
    status = await handle.status()
    [cause] = status.causes
    assert (cause["type"], cause["task"]) == ("RuntimeError", shop.add_once_repaired.name)
    [callback] = status.callbacks
    assert callback.job_id is not None
    [told] = await harness.ended([harness.app.job(callback.job_id)])
    assert told.result == [cause]
    states = {node.task: node.state for node in tasks_of((await handle.status()).tree)}
    assert states[shop.total.name] == "WAITING"
    # What was revoked runs anew, once what failed is repaired.
    report = await harness.replay("shop.slow", Selection(ids=frozenset({f"{cause['job_id']}~0"})))
    assert report.replayed == 1, report
    await harness.ended([harness.app.job(cause["job_id"])])
    await goes_on(handle)
    assert await handle.result(SECONDS) == 4 + 2 + 8
    assert (await handle.status()).causes == []


async def test_errors_as_values(harness: Harness) -> None:
    members = group(shop.add.s(1), shop.add_once_repaired.s(2) | shop.add.s(), on_error="continue")
    first, second = await (await chord(members, shop.as_they_are.s()).send()).result(SECONDS)
    assert first == 2
    assert second["error"]["message"] == "2 is broken"


async def test_on_success_gets_the_result(harness: Harness) -> None:
    flow = group(shop.add.s(1), shop.add.s(2)).options(on_success=shop.total.s())
    handle = await flow.send()
    assert await handle.result(SECONDS) == [2, 3]
    [callback] = (await handle.status()).callbacks
    assert callback.job_id is not None
    [status] = await harness.ended([harness.app.job(callback.job_id)])
    assert status.result == 5


async def test_one_id_is_one_workflow(harness: Harness) -> None:
    flow = shop.add.s(1) | shop.add.s()
    key = uuid.uuid4().hex
    first = await flow.options(idempotency_key=key).send()
    again = await flow.options(idempotency_key=key).send()
    assert first.id == again.id
    assert await again.result(SECONDS) == 3
    with pytest.raises(IdempotencyConflict):
        await (shop.add.s(2) | shop.add.s()).options(idempotency_key=key).send()


async def test_revoked_as_a_whole(harness: Harness) -> None:
    handle = await group(shop.add.s(i).options(countdown=3600) for i in range(5)).send()
    await handle.revoke()
    with pytest.raises(WorkflowRevoked):
        await handle.result(SECONDS)
    status = await handle.status()
    assert {node.state for node in tasks_of(status.tree)} == {"REVOKED"}
    for node in tasks_of(status.tree):
        assert node.job_id is not None
        assert (await harness.app.job(node.job_id).status()).state is State.REVOKED
    await handle.revoke()  # again changes nothing
    done = await chain(shop.add.s(1)).send()
    assert await done.result(SECONDS) == 2
    with pytest.raises(WorkflowEnded):
        await done.revoke()


async def test_a_member_that_is_revoked_fails_the_whole(harness: Harness) -> None:
    handle = await chord(
        [shop.add.s(1), shop.add.s(2).options(countdown=0.3)], shop.total.s()
    ).send()
    late = next(n for n in tasks_of((await handle.status()).tree) if n.number == 4)
    assert late.job_id is not None
    assert await harness.app.job(late.job_id).revoke() is True
    assert "revoked" in str(await failed(handle))


async def test_a_job_starts_a_workflow(harness: Harness) -> None:
    flow_id = await (await shop.start_chord.send(4)).result(SECONDS)
    assert await harness.app.workflow(flow_id).result(SECONDS) == 1 + 2 + 3 + 4


async def test_what_is_refused(harness: Harness) -> None:
    with pytest.raises(ConfigurationError, match="at least one step"):
        chain(*[])
    with pytest.raises(ConfigurationError, match="ids of their own"):
        await chain(shop.add.s(1).options(id="mine")).send()
    with pytest.raises(ConfigurationError, match="belong to a workflow as a whole"):
        await group(chain(shop.add.s(1)).options(id="inner")).send()
    with pytest.raises(WorkflowNotFound):
        await harness.app.workflow("nobody").status()
