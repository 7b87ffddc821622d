"""Workflows on real nodes: signed, solo, purged, revoked, without their plan, through a worker's death."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support import Running, running_worker
from warrener import (
    InvalidArguments,
    JobHandle,
    State,
    WorkflowFailed,
    WorkflowHandle,
    WorkflowNotFound,
    chain,
    chord,
    group,
)
from warrener.asking import ask
from warrener.operating import OperationRunner
from warrener.operations import Wanted
from warrener.queues import Queues
from warrener.replaying import Replayer
from warrener.selecting import ALL
from warrener.workflow_handles import NodeStatus

from . import flow_tasks
from . import yard as tasks
from .conftest import QUEUE, Yard, until_true

APP = "tests.integration.flow_tasks:app"
KEYS = "one:0123456789abcdef"
YEARS = 3 * 365 * 86_400.0
SECONDS = 60.0


def worker(yard: Yard, *options: str, **more: str) -> AbstractAsyncContextManager[Running]:
    """One that knows the parts of these workflows."""
    urls = (yard.amqp_url, yard.redis_url)
    return running_worker(APP, [QUEUE], *urls, *options, **{**yard.environment, **more})


def parts(node: NodeStatus) -> list[NodeStatus]:
    """The tasks of a tree, in order."""
    if node.kind == "task":
        return [node]
    return [task for child in node.children for task in parts(child)]


async def jobs_of(yard: Yard, handle: WorkflowHandle[Any]) -> list[JobHandle[Any]]:
    """The jobs of a workflow that have been submitted."""
    found = parts((await handle.status()).tree)
    return [yard.app.job(part.job_id) for part in found if part.job_id is not None]


async def fails(handle: WorkflowHandle[Any]) -> str:
    with pytest.raises(WorkflowFailed) as raised:
        await handle.result(SECONDS)
    return str(raised.value)


def signed(yard: Yard) -> dict[str, str]:
    settings = yard.app.settings.model_copy(update={"signing_keys": SecretStr(KEYS)})
    yard.app.settings = settings
    return {"WARRENER_SIGNING_KEYS": KEYS}


@pytest.mark.parametrize("how", ["signed", "solo"])
async def test_parts_wait_retry_fail_and_are_replayed(yard: Yard, how: str) -> None:
    environment = signed(yard) if how == "signed" else {}
    async with worker(yard, *(("-P", "solo") if how == "solo" else ()), **environment):
        members = [
            tasks.run.s("a"),
            tasks.run.s("b").options(countdown=0.3),
            tasks.fails.s("c", 1),
            tasks.broken.s("d"),
        ]
        flow = chord(members, flow_tasks.gathers.s()).options(on_error=flow_tasks.told.s())
        handle = await flow.send()
        assert "ValueError: d" in await fails(handle)
        [callback] = (await handle.status()).callbacks
        assert callback.job_id is not None
        assert (await yard.ended(callback.job_id))[0].result == ["d"]
        await yard.letters(1)
        assert (await Replayer(yard.client).replay(QUEUE, ALL)).replayed == 1

        async def goes_on() -> bool:
            return (await handle.status()).state != "FAILURE"

        await until_true(goes_on, "the workflow goes on")
        assert await handle.result(SECONDS) == "a+b+c+d"
    assert yard.events("body") == ["start body"]
    assert yard.events("told") == ["start told"]


async def test_a_part_that_is_replayed_with_other_arguments_runs_with_them(yard: Yard) -> None:
    """The plan has what it was called with, and its message what it is called with now: all of it."""
    async with worker(yard):
        flow = chord([tasks.run.s("a"), tasks.fails.s("b", 99)], flow_tasks.gathers.s())
        handle = await flow.send()
        assert "ValueError: b" in await fails(handle)
        await yard.letters(1)
        wanted = Wanted("replay", QUEUE, "mx", ALL, edit={"times": 0})
        with pytest.raises(InvalidArguments, match="'name' is a required property"):
            await ask(yard.client, wanted)
        await ask(yard.client, replace(wanted, edit={"name": "better", "times": 0}))

        async def goes_on() -> bool:
            return (await handle.status()).state != "FAILURE"

        async with OperationRunner(lambda: yard.client).working():
            await until_true(goes_on, "the workflow goes on")
            assert await handle.result(SECONDS) == "a+better"


async def test_of_signed_parts_a_forged_one_never_runs(yard: Yard) -> None:
    environment = signed(yard)
    handle = await chord([tasks.run.s("a").options(countdown=1)], flow_tasks.gathers.s()).send()
    [job] = await jobs_of(yard, handle)
    part = f"{handle.id}/2/0"
    await yard.publish(
        b'{"args":[],"kwargs":{}}',
        type=tasks.run.name,
        correlation_id=job.id,
        headers={"workflow": part, "attempt": 1, "generation": 0},
    )
    async with worker(yard, **environment):
        [letter] = await yard.letters(1)
        assert letter.error.reason == "bad_signature"
        assert await handle.result(SECONDS) == "a"
    assert yard.events("a") == ["start a", "end a"]


async def test_a_purge_ends_the_workflow_whose_members_it_takes(yard: Yard) -> None:
    members = [tasks.run.s(f"m{n}") for n in range(3)]
    flow = chord(members, flow_tasks.gathers.s()).options(on_error=flow_tasks.told.s())
    handle = await flow.send()
    report = await Queues(yard.client).purge(QUEUE)
    # They stay in the queue as what they are, the news of their end, and do not run.
    assert (report.revoked, report.kept) == (3, 3)
    async with worker(yard):
        assert "purged" in await fails(handle)

        async def all_revoked() -> bool:
            states = {part.state for part in parts((await handle.status()).tree)[:3]}
            return states == {"REVOKED"}

        await until_true(all_revoked, "the news of each member has arrived")
        [callback] = (await handle.status()).callbacks
        assert callback.job_id is not None
        [status] = await yard.ended(callback.job_id)
        assert status.result
    assert [event for event in yard.events() if " m" in event] == []
    assert yard.events("body") == []


async def forgets_the_plan(yard: Yard, handle: WorkflowHandle[Any]) -> None:
    await yard.client.store.client.delete(f"warrener:workflow:{{{handle.id}}}")


async def forgets_everything(yard: Yard, _: WorkflowHandle[Any]) -> None:
    await yard.client.store.client.flushdb()


@pytest.mark.parametrize("forgets", [forgets_the_plan, forgets_everything])
async def test_members_whose_plan_the_store_has_lost_are_dead_letters(
    yard: Yard, forgets: Callable[..., Any]
) -> None:
    handle = await chord([tasks.run.s("a"), tasks.run.s("b")], flow_tasks.gathers.s()).send()
    jobs = await jobs_of(yard, handle)
    await forgets(yard, handle)
    async with worker(yard):
        letters = await yard.letters(2)
        for status in await yard.ended(*jobs):
            assert status.state is State.FAILURE
            assert status.error is not None
            assert (status.error.type, status.error.reason) == ("PlanLost", "plan_lost")
    assert {letter.reason for letter in letters} == {"plan_lost"}
    assert handle.id in letters[0].error.message
    assert yard.events("a") == yard.events("b") == yard.events("body") == []
    with pytest.raises(WorkflowNotFound):
        await handle.status()


@pytest.mark.parametrize("who", ["a client", "a job", "a solo job"])
async def test_a_member_that_waits_for_years_is_revoked_and_its_workflow_hears_of_it(
    yard: Yard, who: str
) -> None:
    options = ("-P", "solo") if who == "a solo job" else ()
    async with worker(yard, *options):
        members = [tasks.run.s("a"), tasks.run.s("late").options(countdown=YEARS)]
        handle = await chord(members, flow_tasks.gathers.s()).send()
        late = (await jobs_of(yard, handle))[1]
        if who == "a client":
            assert await late.revoke() is True
        else:
            [status] = await yard.ended(await flow_tasks.revokes.send(late.id))
            assert status.result is True
        assert "revoked" in await fails(handle)
    assert (await yard.status(late)).state is State.REVOKED
    assert yard.events("late") == []
    assert yard.events("body") == []


async def test_a_member_between_two_attempts_is_revoked_and_its_workflow_hears_of_it(
    yard: Yard,
) -> None:
    async with worker(yard):
        handle = await chain(flow_tasks.retries_in_an_hour.s("a")).send()
        [job] = await jobs_of(yard, handle)

        async def retries() -> bool:
            return (await yard.status(job)).state is State.RETRY

        await until_true(retries, "a retry that waits")
        assert await job.revoke() is True
        assert "revoked" in await fails(handle)


async def test_a_workflow_is_revoked_whatever_its_members_do(yard: Yard) -> None:
    """One waits for its time, one for a slot; a coroutine runs, and a plain function that looks."""
    async with worker(yard, "-c", "2"):
        flow = group(
            tasks.tidy.s("coroutine", "never"),
            tasks.looks.s("plain"),
            tasks.run.s("queued"),
            tasks.run.s("delayed").options(countdown=YEARS),
        )
        handle = await (flow | flow_tasks.gathers.s()).send()
        await yard.noted("start coroutine")
        await yard.noted("start plain")
        jobs = await jobs_of(yard, handle)
        await handle.revoke()
        for status in await yard.ended(*jobs):
            assert (status.state, status.reason) == (State.REVOKED, "workflow_ended")
        assert yard.events("coroutine") == ["start coroutine", "tidied coroutine"]
        assert yard.events("plain") == ["start plain", "saw plain"]
        assert (await handle.status()).state == "REVOKED"
        # A worker that has dealt with all of it is free.
        await yard.ended(await tasks.run.send("next"))
    assert yard.events("queued") == yard.events("delayed") == yard.events("body") == []


async def test_terminated_a_workflow_ends_though_a_member_does_not_look(yard: Yard) -> None:
    async with worker(yard):
        handle = await group(tasks.wait_plain.s("deaf", "never"), tasks.tidy.s("b", "never")).send()
        await yard.noted("start deaf")
        await yard.noted("start b")
        jobs = await jobs_of(yard, handle)
        # Asked once, it does not hear.
        await handle.revoke()
        await yard.ended(jobs[1])
        assert (await yard.status(jobs[0])).state is State.STARTED
        await handle.revoke(terminate=True)
        for status in await yard.ended(*jobs):
            assert (status.state, status.reason) == (State.REVOKED, "workflow_ended")
    assert yard.events("deaf") == ["start deaf"]


async def test_workers_that_are_killed_leave_no_member_and_no_body_out(yard: Yard) -> None:
    members = [flow_tasks.numbered.s(n) for n in range(300)]
    handle = await chord(members, flow_tasks.adds.s()).send()
    for done in (30, 150):
        async with worker(yard) as one:

            async def some(done: int = done) -> bool:
                return (await handle.status()).done >= done

            await until_true(some, f"{done} members have ended")
            one.kill()
            await one.ended()
    async with worker(yard):
        assert await handle.result(SECONDS) == sum(range(300))
        status = await handle.status()
    assert (status.done, status.total) == (301, 301)
    assert len(yard.events("sum")) in (1, 2)  # a body that ran as its worker died runs again
