"""What the tasks' time limits mean for their queues. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .broker import BrokerFacts, policy_of, version_at_least
from .findings import Finding, ok, problem, some, warning

DEFAULT = 1800.0
"""Seconds: RabbitMQ's consumer_timeout unless set otherwise (docs: consumers)."""
SHORT = 600.0
AGAIN = (
    "RabbitMQ then takes the job from its worker and delivers it again: it does not run twice at once, but "
    "what the worker held is handed round"
)


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task, its queue and its time limit in seconds."""

    name: str
    queue: str
    time_limit: float | None


def findings(
    facts: BrokerFacts, tasks: Sequence[TaskFacts], queue_type: str, server: float | None
) -> list[Finding]:
    """The consumer timeout against the time limits; `server` is the broker's own, if somebody said it."""
    found = []
    for queue, group in groupby(sorted(tasks, key=lambda t: t.queue), key=lambda t: t.queue):
        here = list(group)
        found += _timeout(facts, queue, here, queue_type, server)
        found += pinned(queue, here, queue_type)
    return found


def _timeout(
    facts: BrokerFacts, queue: str, tasks: Iterable[TaskFacts], kind: str, server: float | None
) -> list[Finding]:
    if version_at_least(facts, (4, 3)) and kind == "classic":
        return []  # 4.3 has a consumer timeout for quorum queues only
    limit = by_policy(facts, queue, kind)
    known = limit is not None or server is not None
    limit = limit or server or DEFAULT
    shown = f"{limit:g} s" if known else f"{limit:g} s unless the server says otherwise"
    remedy = (
        "Set consumer_timeout in rabbitmq.conf above the longest job"
        + (
            f", or a policy: `rabbitmqctl set_policy {queue} '^{queue}$' '{{\"consumer-timeout\": MS}}'`"
            if version_at_least(facts, (3, 12))
            else " (before 3.12 there is no policy for it)"
        )
        + ("." if known else ". No API tells its value: say it with --consumer-timeout SECONDS.")
    )
    longer = [t.name for t in tasks if t.time_limit is not None and t.time_limit >= limit]
    endless = [t.name for t in tasks if t.time_limit is None]
    found = []
    if longer:
        what = f"jobs of {some(longer)} may outlast the consumer timeout of {queue} ({shown})"
        found.append((problem if known else warning)(what, AGAIN, remedy))
    if endless:
        what = f"{some(endless)} on {queue} have no time limit; the consumer timeout is {shown}"
        found.append(warning(what, AGAIN, f"Give them a time_limit. {remedy}"))
    return found or [ok(f"time limits on {queue} are below the consumer timeout ({shown})")]


def by_policy(facts: BrokerFacts, queue: str, kind: str) -> float | None:
    """The consumer timeout that a policy sets on a queue, in seconds."""
    given: Sequence[Mapping[str, Any]] = (facts.managed and facts.managed.policies) or []
    if not version_at_least(facts, (3, 12)):
        return None  # taken and ignored
    one = policy_of([p for p in given if not p.get("operator")], queue, kind)
    value = one["definition"].get("consumer-timeout") if one else None
    return float(value) / 1000 if value else None


def pinned(queue: str, tasks: Sequence[TaskFacts], kind: str) -> list[Finding]:
    """Jobs without end beside short ones: one message held for hours pins a quorum queue's log."""
    endless = [t.name for t in tasks if t.time_limit is None]
    short = [t.name for t in tasks if t.time_limit is not None and t.time_limit <= SHORT]
    if kind != "quorum" or not endless or not short:
        return []
    what = f"{some(endless)} (no time limit) and {some(short)} (short) share the queue {queue}"
    why = "one job held for hours keeps the quorum queue's log of all later ones on disk"
    return [warning(what, why, "Give long jobs a queue of their own.")]
