"""What is wrong with RabbitMQ and with the topology on it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warrener.settings import Settings
from warrener.topology import RUNGS, Binding, Names, Topology

from .findings import Finding, not_seen, ok, problem, some, version_of, versions, warning

OLDEST, NEWEST = (3, 10), (4, 3)
HARMFUL = {
    "max-length": "a full queue stops the delay ladder for all queues",
    "max-length-bytes": "a full queue stops the delay ladder for all queues",
    "message-ttl": "messages expire: jobs fail unrun, letters vanish, delays are cut short",
    "expires": "the queue is deleted with the messages in it",
    "delivery-limit": "messages that were only handed back end as undelivered, or are deleted",
}
"""Keys of policies that break a promise, and how."""
_APPLIES = {"all", "queues", "quorum_queues", "classic_queues"}


@dataclass(frozen=True, slots=True)
class Managed:
    """What the management API told. None where it refused."""

    alarms: list[str] | None
    policies: list[Mapping[str, Any]] | None
    bindings: frozenset[Binding] | None


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What was seen on the broker. `ready` and `consumers` are of the queues that exist."""

    version: str
    ready: Mapping[str, int]
    consumers: Mapping[str, int]
    missing: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    aside: Mapping[str, int] = field(default_factory=dict)
    """Messages that a migration has put aside, by the queue that they belong to."""
    gone: frozenset[str] = frozenset()
    """Queues that records name and that do not exist."""
    managed: Managed | None = None
    unmanaged: str = ""
    """Why there is nothing from the management API."""


ASK_BY_HAND = "Give --management URL (WARRENER_MANAGEMENT_URL), with a user tagged monitoring."


def findings(
    facts: BrokerFacts, wanted: Topology, queues: Sequence[str], s: Settings
) -> list[Finding]:
    """Everything that the broker's facts tell; `queues` are the work queues."""
    why = "quorum queues there have neither message TTL nor at-least-once dead-lettering"
    found = versions("RabbitMQ", facts.version, OLDEST, NEWEST, why)
    found += drift(facts)
    found += unconsumed(facts, queues, s.namespace)
    if facts.managed is None:
        what = "RabbitMQ's alarms, policies and bindings"
        return [*found, not_seen(what, facts.unmanaged, ASK_BY_HAND)]
    return found + managed(facts.managed, wanted, s.namespace)


def drift(facts: BrokerFacts) -> list[Finding]:
    """Exchanges and queues that are missing or have other arguments."""
    found = []
    if facts.missing:
        why = "what is published for them comes back to its sender, or ends as undelivered"
        remedy = "Start a worker, or run `warrener topology declare`."
        found.append(problem(f"missing: {some(facts.missing)}", why, remedy))
    for text in facts.differing:
        what, _, _ = text.partition(" exists on the broker")
        remedy = "Set Warrener to the existing value"
        if what.startswith("queue "):
            remedy += ", or move the queue: `warrener topology migrate QUEUE` loses nothing"
        found.append(problem(f"{what} has other arguments", text, f"{remedy}."))
    for queue, count in facts.aside.items():
        why = f"{count} message(s) wait aside, and new ones may go there as well: nobody runs them"
        remedy = f"Run `warrener topology migrate {queue}` again, with its workers stopped."
        found.append(problem(f"the migration of {queue} is half-way", why, remedy))
    if facts.refused:
        what = f"arguments of {some(facts.refused)}"
        found.append(not_seen(what, "RabbitMQ refused", "Give this user configure permission."))
    return found or [ok("exchanges and queues are as declared")]


def unconsumed(facts: BrokerFacts, queues: Sequence[str], namespace: str) -> list[Finding]:
    """Queues that hold messages and that nobody takes from."""
    found = []
    for queue in (*queues, Names(namespace).undelivered):
        ready = facts.ready.get(queue, 0)
        if ready and not facts.consumers.get(queue):
            why = f"{ready} message(s) wait, and nobody consumes it"
            found.append(warning(f"queue {queue} has no consumer", why, "Start a worker for it."))
    return found


def orphans(facts: BrokerFacts, unfinished: Mapping[str, int]) -> list[Finding]:
    """Unfinished jobs whose queue does not exist. Their messages may still be in the delay ladder, where
    nobody can look for them, so that nothing is concluded from it."""
    return [
        problem(
            f"{unfinished[queue]} unfinished job(s) of the queue {queue}, which does not exist",
            "if it was deleted, so were the jobs that waited in it; delayed ones end as undelivered",
            "Declare it (start its worker), send the jobs that do not end again, under new ids, and end "
            "the records of the old ones: `warrener revoke ID --terminate --reason record_lost`.",
        )
        for queue in sorted(facts.gone)
    ]


def managed(seen: Managed, wanted: Topology, namespace: str) -> list[Finding]:
    """What only the management API can tell."""
    found = []
    if seen.alarms is None:
        found.append(not_seen("RabbitMQ's alarms", "the management API refused", ASK_BY_HAND))
    elif seen.alarms:
        why = "every publish waits, and fails after WARRENER_PUBLISH_TIMEOUT"
        remedy = "Free memory or disk, or raise the watermark (`rabbitmqctl status` shows both)."
        found.append(problem(f"RabbitMQ has an alarm: {some(seen.alarms)}", why, remedy))
    else:
        found.append(ok("RabbitMQ has no alarm"))
    if seen.policies is None:
        found.append(not_seen("policies", "the management API refused", ASK_BY_HAND))
    else:
        kinds = {queue.name: str(queue.arguments["x-queue-type"]) for queue in wanted.queues}
        found += policies(seen.policies, kinds)
    if seen.bindings is None:
        found.append(not_seen("bindings", "the management API refused", ASK_BY_HAND))
    else:
        found += bindings(seen.bindings, wanted, namespace)
    return found


def policy_of(
    given: Iterable[Mapping[str, Any]], queue: str, kind: str
) -> Mapping[str, Any] | None:
    """The one policy that applies: of those that match, that of the highest priority."""
    fits = [
        one
        for one in given
        if one.get("apply-to", "all") in _APPLIES & {"all", "queues", f"{kind}_queues"}
        and _matches(str(one.get("pattern", "")), queue)
    ]
    return max(fits, key=lambda one: int(one.get("priority", 0)), default=None)


def _matches(pattern: str, queue: str) -> bool:
    try:
        return re.search(pattern, queue) is not None
    except re.error:  # Erlang's expressions are a little richer than Python's
        return False


def policies(given: Sequence[Mapping[str, Any]], queues: Mapping[str, str]) -> list[Finding]:
    """Policies that set what no queue of ours may have. An operator's policy counts beside a user's."""
    harm: dict[tuple[str, str, str], list[str]] = {}
    for queue, kind in queues.items():
        for operators in (False, True):
            those = [one for one in given if bool(one.get("operator")) is operators]
            if (one := policy_of(those, queue, kind)) is None:
                continue
            for key in HARMFUL.keys() & one["definition"].keys():
                place = (str(one["name"]), key, str(one["definition"][key]))
                harm.setdefault(place, []).append(queue)
    if not harm:
        return [ok("no policy limits a queue of ours")]
    remedy = "Remove that key, or have the policy's pattern leave these queues out."
    return [
        problem(f"policy {name} sets {key} = {value} on {some(those)}", HARMFUL[key], remedy)
        for (name, key, value), those in sorted(harm.items())
    ]


def bindings(seen: frozenset[Binding], wanted: Topology, namespace: str) -> list[Finding]:
    """Bindings that are missing, and foreign ones that hand out copies of jobs."""
    found = []
    missing = [f"{b.source} → {b.queue or b.exchange}" for b in wanted.bindings if b not in seen]
    if missing:
        why = "jobs for that queue come back to their sender, or end as undelivered"
        remedy = "Start a worker, or run `warrener topology declare`."
        found.append(problem(f"missing bindings: {some(missing)}", why, remedy))
    names = Names(namespace)
    rest = "*." * RUNGS
    for one in sorted(seen, key=lambda b: (b.queue, b.source, b.key)):
        ours = one.source in (names.jobs, names.deliver)
        if not ours or one.key.removeprefix(rest) == one.queue:
            continue
        if one.queue == names.moving(one.key.removeprefix(rest)):
            continue  # said already, as a migration that is half-way
        why = f"it gets copies of jobs ({one.source}, key {one.key})"
        remedy = "Remove the binding, if nobody wants them."
        found.append(warning(f"{one.queue or one.exchange} is bound as well", why, remedy))
    return found or [ok("bindings are as declared")]


def version_at_least(facts: BrokerFacts, version: tuple[int, int]) -> bool:
    """True if the broker is that new."""
    return (version_of(facts.version) or (0, 0)) >= version
