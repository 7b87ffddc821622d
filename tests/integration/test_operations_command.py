"""Operations on dead letters from the command line: cancelled, interrupted, and what is said of it."""

from __future__ import annotations

import signal

from warrener.asking import ask
from warrener.audit import AuditTrail
from warrener.operations import Operation, Operations, Wanted
from warrener.selecting import ALL

from . import yard as tasks
from .conftest import APP, QUEUE, Yard, until_true

SLOWLY = ("dead", "replay", QUEUE, "--app", APP, "--all", "--rate", "2")


async def _newest(yard: Yard) -> Operation:
    [one] = await Operations(yard.app.settings, yard.client.store).newest()
    return one


async def _under_way(yard: Yard) -> Operation:
    """The only operation, once it has done something."""
    operations = Operations(yard.app.settings, yard.client.store)

    async def begun() -> bool:
        return any(one.done for one in await operations.newest())

    await until_true(begun, "a letter is done")
    return await _newest(yard)


async def _cancelled_by(yard: Yard) -> list[tuple[str, object]]:
    """Who cancelled what, as the trail has it."""
    entries = await AuditTrail(yard.app.settings, yard.client.store).read()
    return [(one.who, one.facts["operation"]) for one in entries if one.what == "cancel"]


async def _dead_jobs(yard: Yard, count: int) -> None:
    async with yard.worker():
        for number in range(count):
            await tasks.broken.send(f"v{number}", "ValueError")
        await yard.letters(count)


async def test_cancelling_is_in_the_trail_unless_there_was_nothing_to_cancel(yard: Yard) -> None:
    await _dead_jobs(yard, 1)
    operation_id = await ask(yard.client, Wanted("replay", QUEUE, "mx", ALL))
    for said in ("cancelled", "has ended before"):
        async with yard.running("dead", "cancel", operation_id, "--app", APP) as command:
            await command.says(f"{operation_id} {said}")
            assert await command.ended() == 0
    [(who, what)] = await _cancelled_by(yard)
    assert "@" in who
    assert what == operation_id


async def test_one_that_somebody_else_cancels_says_so(yard: Yard) -> None:
    await _dead_jobs(yard, 30)
    async with yard.running(*SLOWLY) as replay:
        one = await _under_way(yard)
        async with yard.running("dead", "cancel", one.id, "--app", APP) as command:
            await command.says("asked to end")
        await replay.says(f"operation {one.id} was cancelled: what was done stays done")
        assert await replay.ended() == 6
    assert (await _newest(yard)).state == "cancelled"


async def test_one_that_is_interrupted_is_cancelled_and_in_the_trail(yard: Yard) -> None:
    await _dead_jobs(yard, 30)
    async with yard.running(*SLOWLY) as replay:
        one = await _under_way(yard)
        replay.kill(signal.SIGINT)
        await replay.says("interrupted: what was done stays done")
        await replay.ended()
    assert (await _newest(yard)).state == "cancelled"
    assert await _cancelled_by(yard) == [(one.wanted.by, one.id)]
