"""What a member of a workflow costs Redis, in commands."""

from __future__ import annotations

from typing import Any

from warrener import chord
from warrener.workflows import Carrier

from . import flow_tasks
from .conftest import Yard
from .test_workflow_parts import parts


async def test_a_member_of_a_large_chord_costs_the_store_what_one_of_a_small_one_does(
    yard: Yard,
) -> None:
    redis: Any = yard.client.store.client
    make = Carrier(yard.client, yard.app.settings, yard.client.clock).calls.make

    async def commands() -> int:
        """What Redis has done so far, by these scripts too."""
        return sum(of["calls"] for of in (await redis.info("commandstats")).values())

    costs = []
    for count in (10, 1_000):
        members = [flow_tasks.numbered.s(n) for n in range(count)]
        flow = await chord(members, flow_tasks.adds.s()).send()
        *_, member, _ = parts((await flow.status()).tree)
        before = await commands()
        for script, more in (("resolve", ()), ("advance", ("S", b"1"))):
            await yard.client.store.call([make(script, flow.id, member.number, 0, *more)])
        costs.append(await commands() - before)
        assert (await flow.status()).done == 1
    assert costs[0] == costs[1]
