"""Submitting a workflow: the plan first, then its first jobs, confirmed, then the plan is accepted. Who
dies before that was told nothing; done again under the same id, it is completed."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import IdempotencyConflict, WarrenerError, WorkflowNotFound
from .carrying import PAGE, Carrier, due_in
from .plans import Plan

UNACCEPTED_FOR = 3600
"""Seconds after which a plan that nobody completed is forgotten, with what it had begun."""


async def start(
    carrier: Carrier, flow: str, plan: Plan, created: float, *, repeatable: bool
) -> None:
    """Submit this plan under this id. One that nobody can repeat is revoked when that fails. Raises
    IdempotencyConflict, StoreUnavailable and what Task.send raises."""
    if not await _write(carrier, flow, plan, created):
        return
    try:
        [reply] = await carrier.call(carrier.calls.make("start", flow))
        await carrier.carry_out(due_in(flow, reply))
        [[word]] = await carrier.call(carrier.calls.make("accept", flow))
    except WarrenerError:
        if not repeatable:
            await carrier.call(carrier.calls.make("cancel", flow))
        raise
    if word == b"lost":
        raise WorkflowNotFound(workflow_id=flow)


async def _write(carrier: Carrier, flow: str, plan: Plan, created: float) -> bool:
    """False if the workflow was accepted before."""
    facts = (plan.fingerprint, created, UNACCEPTED_FOR, plan.tasks, plan.nodes)
    for page in _pages(plan):
        [[word, *_]] = await carrier.call(carrier.calls.make("create", flow, *facts, *page))
        if word == b"conflict":
            raise IdempotencyConflict(job_id=flow)
        if word == b"exists":
            return False
    return True


def _pages(plan: Plan) -> Iterator[list[str | bytes]]:
    """Fields and values of so many nodes at a time; n0, by which a plan counts as written, comes last."""
    fields = [pair for pair in plan.fields if pair[0] != "n0"]
    fields += [pair for pair in plan.fields if pair[0] == "n0"]
    size = 4 * PAGE
    for at in range(0, len(fields), size):
        yield [part for pair in fields[at : at + size] for part in pair]
