"""`python -m chaos.entry …`: the `warrener` command, with a rule of the protocol switched off if CHAOS_FLAW
names one: so it is seen that a run of chaos can fail.

What a rule guards is a moment between two steps. With any of FLAWS these moments last until something has
fallen into them, or for so long that it soon does; with "none" they do and every rule is on, so that
nothing is lost."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from .moments import Moments

FLAWS = ("owed", "generations", "none")
"""Rule 1: what an ended attempt owes is not published by its redelivery. Rule 2: claims look at the state
before they compare generations."""
MOMENT = 3.0
"""Seconds between an attempt's end in the store and the publish of what it owes."""
CLAIMED_WITHIN = 60.0
"""Seconds for which a replay waits at most until a worker has seen what it published."""


def widen_moments(moments: Moments) -> None:
    """Between an attempt's end in the store and the publish of what it owes, and between the publish of a
    replay and its record."""
    from warrener.store import Store
    from warrener_workers.debts import Debts

    pay, apply = Debts.pay, Store.apply

    async def pay_late(self: Debts, debts: Any) -> None:
        with moments.owing():
            await asyncio.sleep(MOMENT)
        await pay(self, debts)

    async def apply_late(self: Store, moves: Any) -> Any:
        for move in moves:
            if move.script == "replay":
                await _until_claimed(moments, move.job_id, move.arguments[0] + 1)
        replies = await apply(self, moves)
        for move in moves:
            if move.script == "claim":
                moments.claimed(move.job_id, move.arguments[0])
        return replies

    Debts.pay = pay_late  # type: ignore[method-assign]
    Store.apply = apply_late  # type: ignore[method-assign, assignment]


async def _until_claimed(moments: Moments, job_id: str, generation: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLAIMED_WITHIN):
            while not moments.is_claimed(job_id, generation):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
            moments.claimed_between(job_id)


def switch_off(flaw: str) -> None:
    """Break this rule, in this process."""
    if flaw == "owed":
        from warrener_workers.settlement import Settlement

        def forget(self: Settlement, delivery: Any, settled: Any) -> None:
            self.acknowledge(delivery, "it has ended")

        Settlement.repay = forget  # type: ignore[method-assign]
    elif flaw == "generations":
        from warrener import store
        from warrener.batches import many

        text = store._SCRIPTS["claim"]
        right = "if state == 'SUCCESS' or state == 'REVOKED' then"
        wrong = "if state == 'SUCCESS' or state == 'REVOKED' or state == 'FAILURE' then"
        assert right in text, "the script has changed: say anew how it is broken"
        for name in ("claim", many("claim")):
            store._SCRIPTS[name] = store._SCRIPTS[name].replace(right, wrong)
            # As Redis names it.
            store._HASHES[name] = hashlib.sha1(store._SCRIPTS[name].encode()).hexdigest()


if __name__ == "__main__":
    if flaw := os.environ.get("CHAOS_FLAW", ""):
        widen_moments(Moments(Path(os.environ["CHAOS"])))
        switch_off(flaw)
    from warrener_workers.cli import main

    main()
