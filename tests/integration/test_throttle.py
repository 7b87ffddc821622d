"""Limits across all workers: of a queue, a task and a key, with workers that are killed."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from warrener import JobStatus
from warrener.flow import Ask, Flow
from warrener.limits import Scope
from warrener.queues import Queues

from . import yard as tasks
from .conftest import QUEUE, Yard, until, until_true


async def flow_is_empty(yard: Yard, scope: str) -> bool:
    return await Flow(yard.app.settings, yard.client.store).usage([scope]) == [0]


def starts(yard: Yard, name: str) -> list[str]:
    return [event for event in yard.events() if event.startswith(f"start {name}")]


def apart(statuses: list[JobStatus]) -> float:
    """Seconds between the first and the last place at least: the first was not given before its job was
    made, and the last before it started."""
    return max(s.started or 0 for s in statuses) - min(s.created or 0 for s in statuses)


def at_once(yard: Yard, prefix: str = "") -> int:
    """The most jobs whose names begin so that ran together, by the ledger."""
    running = most = 0
    for event, name in (line.split() for line in yard.events()):
        running += {"start": 1, "end": -1}.get(event, 0) * name.startswith(prefix)
        most = max(most, running)
    return most


async def test_a_task_runs_no_more_often_at_once_than_it_may_on_two_workers(yard: Yard) -> None:
    async with (
        yard.worker("--name", "a", "-c", "4") as _,
        yard.worker("--name", "b", "-c", "4") as _,
    ):
        jobs = [await tasks.two_at_once.send(f"t{n}", "gate") for n in range(6)]
        others = [await tasks.run.send(f"free{n}") for n in range(4)]
        # Those without a limit pass while the others wait, in the broker.
        await yard.ended(*others)
        await until(lambda: len(starts(yard, "t")) == 2, "two that run")
        assert await Flow(yard.app.settings, yard.client.store).full() == [
            f"task:{tasks.two_at_once.name}"
        ]
        yard.open("gate")
        statuses = await yard.ended(*jobs)
    assert [status.state for status in statuses] == ["SUCCESS"] * 6
    # Waiting costs no attempt.
    assert {status.attempt for status in statuses} == {1}
    assert at_once(yard, "t") == 2
    assert await flow_is_empty(yard, f"task:{tasks.two_at_once.name}")


async def test_a_killed_worker_frees_its_places(yard: Yard) -> None:
    async with yard.worker("--name", "a") as a:
        held = [await tasks.two_at_once.send(f"held{n}", "gate") for n in range(2)]
        await yard.noted("start held0")
        await yard.noted("start held1")
        a.kill()
        await a.ended()
    async with yard.worker("--name", "b"):
        yard.open("gate")
        late = await tasks.two_at_once.send("late", "gate")
        statuses = await yard.ended(*held, late)
    assert [status.state for status in statuses] == ["SUCCESS"] * 3
    assert await flow_is_empty(yard, f"task:{tasks.two_at_once.name}")


async def test_one_job_of_a_key_at_a_time_and_others_pass(yard: Yard) -> None:
    async with yard.worker("-c", "4"):
        first = await tasks.serves.send("ada-1", "ada", "gate")
        await yard.noted("start ada-1")
        second = await tasks.serves.send("ada-2", "ada")
        other = await tasks.serves.send("bob-1", "bob")
        chosen = await tasks.serves.options(concurrency_key="bob").send("bob-2", "ada")
        await yard.ended(other, chosen)
        flow = Flow(yard.app.settings, yard.client.store)

        async def says_why() -> bool:
            return await flow.why(second.id) is not None

        await until_true(says_why, "why it waits")
        assert await flow.why(second.id) == ("in_flight", f"key:{tasks.serves.name}:ada")
        assert "start ada-2" not in yard.events()
        yard.open("gate")
        await yard.ended(first, second)
        assert await flow.why(second.id) is None
    assert yard.events().index("end ada-1") < yard.events().index("start ada-2")


async def test_a_retry_keeps_its_key_and_gives_its_place_back_meanwhile(yard: Yard) -> None:
    async with yard.worker("-c", "4"):
        jobs = [await tasks.serves.send(f"r{n}", "ada", failures=1) for n in range(3)]
        statuses = await yard.ended(*jobs)
    assert [(status.state, status.attempt) for status in statuses] == [("SUCCESS", 2)] * 3
    assert at_once(yard) == 1
    assert await flow_is_empty(yard, f"key:{tasks.serves.name}:ada")


async def test_a_rate_holds_on_two_workers(yard: Yard) -> None:
    async with (
        yard.worker("--name", "a", "-c", "10") as _,
        yard.worker("--name", "b", "-c", "10") as _,
    ):
        jobs = [await tasks.five_a_second.send(f"r{n}") for n in range(12)]
        statuses = await yard.ended(*jobs)
    assert apart(statuses) >= 11 * 0.2


async def test_a_limited_queue_holds_back_without_holding(yard: Yard) -> None:
    queues = Queues(yard.client)
    async with (
        yard.worker("--name", "a", "-c", "4") as a,
        yard.worker("--name", "b", "-c", "4") as b,
    ):
        await queues.limit(QUEUE, None, 3)
        for worker in (a, b):
            await worker.says("queue yard is limited to 3 in flight")
        jobs = [await tasks.wait.send(f"w{n}", "gate") for n in range(10)]
        await until(lambda: len(starts(yard, "w")) == 3, "three that run")

        async def seven_wait() -> bool:
            state = await queues.state(QUEUE)
            return (state.ready, state.in_flight) == (7, 3)

        await until_true(seven_wait, "seven that wait in the queue")
        yard.open("gate")
        await yard.ended(*jobs)
    assert at_once(yard) <= 3
    assert await flow_is_empty(yard, f"queue:{QUEUE}")


async def test_a_queues_rate_holds_on_two_workers(yard: Yard) -> None:
    async with (
        yard.worker("--name", "a", "-c", "4") as a,
        yard.worker("--name", "b", "-c", "4") as b,
    ):
        await Queues(yard.client).limit(QUEUE, "5/s", None)
        for worker in (a, b):
            await worker.says("queue yard is limited to 5/s")
        jobs = [await tasks.run.send(f"r{n}") for n in range(12)]
        statuses = await yard.ended(*jobs)
    assert apart(statuses) >= 11 * 0.2


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_paused_queue_lets_what_runs_end_and_nothing_begin(
    yard: Yard, workers: int
) -> None:
    queues = Queues(yard.client)
    async with yard.worker("--name", "a", "-c", "2") as a:
        running = await tasks.wait.send("running", "gate")
        await yard.noted("start running")
        state = await queues.pause(QUEUE)
        assert state.paused
        await a.says("queue yard is paused")
        waiting = await tasks.run.send("waiting")
        yard.open("gate")
        await yard.ended(running)
        if workers == 2:
            # A worker that starts later knows of it as well.
            async with yard.worker("--name", "b") as b:
                await b.says("queue yard is paused")
                await consumers(yard, 0)
                assert "start waiting" not in yard.events()
        await consumers(yard, 0)
        assert (await yard.status(waiting)).state == "PENDING"
        await queues.resume(QUEUE)
        await yard.ended(waiting)
        await consumers(yard, 1)


async def consumers(yard: Yard, count: int) -> None:
    async def so_many() -> bool:
        return (await Queues(yard.client).state(QUEUE)).consumers == count

    await until_true(so_many, f"{count} consumers")


async def test_a_worker_killed_between_place_and_claim_costs_a_place_until_it_lapses(
    yard: Yard,
) -> None:
    flow = Flow(yard.app.settings.model_copy(update={"beat": 0.6}), yard.client.store)
    scope = Scope(f"key:{tasks.serves.name}:ada", 1)
    # All that such a worker leaves behind.
    assert await flow.take([Ask("a token that nobody renews", "job", 0, (scope,))]) == [None]
    async with yard.worker():
        job = await tasks.serves.send("ada-1", "ada")
        [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == ("SUCCESS", 1, 0)
    assert await flow_is_empty(yard, scope.name)


async def test_a_key_holds_through_a_lost_connection_and_its_redeliveries(yard: Yard) -> None:
    async with yard.worker("-c", "4") as worker:
        first = await tasks.serves.send("ada-1", "ada", "gate")
        await yard.noted("start ada-1")
        second = await tasks.serves.send("ada-2", "ada", "gate")

        def consuming() -> list[str]:
            found = yard.rabbit.manage("GET", f"/api/vhosts/{yard.vhost}/connections")
            return [
                one["name"]
                for one in found
                if one["client_properties"].get("connection_name", "").startswith("warrener worker")
            ]

        # The management API lists a connection some seconds after it was opened.
        await until(lambda: bool(consuming()), "a listed connection")
        for name in consuming():
            yard.rabbit.manage("DELETE", f"/api/connections/{quote(name, safe='')}")
        await worker.says("consuming again")
        await worker.says("put back for now: it runs in this worker")
        assert "start ada-2" not in yard.events()
        yard.open("gate")
        statuses = await yard.ended(first, second)
    assert [status.state for status in statuses] == ["SUCCESS"] * 2
    assert at_once(yard) == 1
    assert len(starts(yard, "ada-1")) == 1
    assert await flow_is_empty(yard, f"key:{tasks.serves.name}:ada")
