"""`python -m chaos.entry …`: the `warrener` command, with a rule of the protocol switched off if CHAOS_FLAW
names one: so it is seen that a run of chaos can fail."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Any

FLAWS = ("owed", "generations")
"""Rule 1: what an ended attempt owes is not published by its redelivery. Rule 2: claims look at the state
before they compare generations."""


def switch_off(flaw: str) -> None:
    """Break this rule, in this process."""
    if flaw == "owed":
        from warrener_workers.debts import Debts
        from warrener_workers.settlement import Settlement

        pay = Debts.pay

        async def late(self: Debts, debts: Any) -> None:
            # The moment between the two steps, long enough for faults to fall into it.
            await asyncio.sleep(3)
            await pay(self, debts)

        def forget(self: Settlement, delivery: Any, settled: Any) -> None:
            self.acknowledge(delivery, "it has ended")

        Debts.pay, Settlement.repay = late, forget  # type: ignore[method-assign]
    elif flaw == "generations":
        from collections.abc import Sequence

        from warrener import store
        from warrener.transitions import Reply, Transition

        apply = store.Store.apply

        async def record_late(self: store.Store, moves: Sequence[Transition]) -> list[Reply]:
            # The moment between a replay's publish and its record, long enough for a worker to claim it.
            if any(move.script == "replay" for move in moves):
                await asyncio.sleep(2)
            return await apply(self, moves)

        store.Store.apply = record_late  # type: ignore[assignment,method-assign]
        text = store._SCRIPTS["claim"]
        right = "if state == 'SUCCESS' or state == 'REVOKED' then"
        wrong = "if state == 'SUCCESS' or state == 'REVOKED' or state == 'FAILURE' then"
        assert right in text, "the script has changed: say anew how it is broken"
        store._SCRIPTS["claim"] = text.replace(right, wrong)
        wrong_text = store._SCRIPTS["claim"]
        store._HASHES["claim"] = hashlib.sha1(wrong_text.encode()).hexdigest()  # as Redis names it


if __name__ == "__main__":
    switch_off(os.environ.get("CHAOS_FLAW", ""))
    from warrener_workers.cli import main

    main()
