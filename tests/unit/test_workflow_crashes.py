"""A chord whose worker dies between any two of its steps: it ends as if nothing had happened."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from warrener import Chain, Retry, Settings, State, Warrener, WorkflowFailed, chord, transitions
from warrener.workflow_handles import NodeStatus

from .workflow_lives import Crashed, Fuse, Lives

app = Warrener(settings=Settings())
RUNS: list[str] = []
REPAIRED: list[bool] = []


@app.task
async def member(n: int) -> int:
    RUNS.append(f"member {n}")
    return n


@app.task(retry=Retry(0))
async def broken(n: int) -> int:
    RUNS.append(f"broken {n}")
    if not REPAIRED:
        raise ValueError(n)
    return n


@app.task
async def body(values: list[int]) -> int:
    RUNS.append("body")
    return sum(values)


@app.task
async def told(causes: list[dict[str, str]]) -> int:
    RUNS.append("told")
    return len(causes)


@app.task
async def seen(result: int) -> str:
    RUNS.append("seen")
    return str(result)


STEPS = 30
"""More than a life of these has: from there on, nothing dies."""


def the_chord() -> Chain[Any, int]:
    return chord([member.s(1), member.s(2)], body.s())


def a_failing_chord() -> Chain[Any, int]:
    members = [member.s(1), broken.s(2), member.s(4).options(countdown=3600)]
    return chord(members, body.s()).options(on_error=told.s())


def nodes(tree: NodeStatus) -> list[NodeStatus]:
    return [tree, *(node for child in tree.children for node in nodes(child))]


async def ends_well(lives: Lives, at: int, after: bool) -> tuple[str, int]:
    """The state in which a chord ends whose worker died so, and how often its body ran."""
    RUNS.clear()
    handle = await the_chord().send()
    await lives.to_the_end(Fuse(at, after=after))
    lives.light(Fuse())
    status = await handle.status()
    if status.state == "SUCCESS":
        assert await handle.result(0) == 3
        assert status.done == status.total == 3
        for node in nodes(status.tree):
            assert node.state == "SUCCESS"
            if node.job_id is not None:
                assert (await app.job(node.job_id).status()).state is State.SUCCESS
    return status.state, RUNS.count("body")


async def test_a_chord_survives_a_crash_between_any_two_steps() -> None:
    bodies = []
    for at in range(1, STEPS):
        for after in (False, True):
            async with Lives(app) as lives:
                state, ran = await ends_well(lives, at, after)
                assert (state, ran) in (("SUCCESS", 1), ("SUCCESS", 2)), (at, after)
                bodies.append(ran)
    # Killed between its start and the record of its end, the body runs again: at least once.
    assert 0 < bodies.count(2) <= 2


async def test_who_is_told_of_the_end_is_told_once_wherever_the_worker_dies() -> None:
    """Under one id: its run is repeated only if the worker died within it."""
    callbacks = []
    for at in range(1, STEPS):
        for after in (False, True):
            RUNS.clear()
            async with Lives(app) as lives:
                handle = await the_chord().options(on_success=seen.s()).send()
                await lives.to_the_end(Fuse(at, after=after))
                lives.light(Fuse())
                assert await handle.result(0) == 3
                status = await handle.status()
                assert (status.done, status.total) == (3, 3), (at, after)  # without the callback
                [callback] = status.callbacks
                assert callback.state == "SUCCESS", (at, after)
                assert callback.job_id is not None
                assert (await app.job(callback.job_id).status()).result == "3"
                callbacks.append(RUNS.count("seen"))
    assert set(callbacks) == {1, 2}
    assert callbacks.count(2) <= 2


async def test_without_its_debt_a_chord_stops_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, when what follows is done, but was not recorded as owed before."""
    succeed: Any = transitions.succeed

    def owes_nothing(*arguments: Any, **more: Any) -> Any:
        return succeed(*arguments[:5], b"", **more)

    monkeypatch.setattr(transitions, "succeed", owes_nothing)
    states = set()
    for at in range(1, STEPS):
        async with Lives(app) as lives:
            states.add((await ends_well(lives, at, True))[0])
    assert states == {"SUCCESS", "STARTED"}


async def test_a_failure_and_its_repair_survive_them_as_well() -> None:
    for at in range(1, STEPS):
        for after in (False, True):
            RUNS.clear()
            REPAIRED.clear()
            async with Lives(app) as lives:
                handle = await a_failing_chord().send()
                await lives.to_the_end(Fuse(at, after=after))
                lives.light(Fuse())
                with pytest.raises(WorkflowFailed, match="ValueError: 2"):
                    await handle.result(0)
                assert RUNS.count("told") in (1, 2), (at, after)
                assert "member 4" not in RUNS
                assert (await handle.status()).done == 3, (at, after)  # the body has not begun
                REPAIRED.append(True)
                assert (await lives.replay()).replayed in (1, 2)  # a letter may be there twice
                await lives.to_the_end(Fuse(at, after=after))
                lives.light(Fuse())
                assert await handle.result(0) == 7, (at, after)
                status = await handle.status()
                assert (status.done, status.total) == (4, 4), (at, after)  # each counts once
                assert RUNS.count("body") in (1, 2), (at, after)
                assert RUNS.count("told") in (1, 2)


async def test_a_client_that_dies_while_it_submits_was_told_nothing_and_may_repeat_it() -> None:
    crashes = 0
    for at in range(1, 12):
        for after in (False, True):
            RUNS.clear()
            async with Lives(app) as lives:
                fuse = lives.light(Fuse(at, after=after))
                flow = the_chord().options(id="mine")
                with contextlib.suppress(Crashed):
                    await flow.send()
                crashes += fuse.dead
                lives.light(Fuse())
                handle = await flow.send()
                await lives.to_the_end()
                lives.light(Fuse())
                assert await handle.result(0) == 3
                assert RUNS.count("body") == 1
    assert crashes > 8
