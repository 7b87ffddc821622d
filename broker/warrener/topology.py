"""The exchanges, queues and bindings, as data; declaring them is the last function.

A job's way: warrener.jobs ─► its queue. A delayed one: warrener.delay.NN ─► … ─► warrener.delay.deliver
─► its queue. A dead one: warrener.dead ─► QUEUE.dead. What the broker itself gives up on, or cannot
route, ends in warrener.undelivered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiormq
from aiormq.channel import Channel

from .errors import QueueNameError, TopologyMismatch, WarrenerError
from .settings import Settings

RUNGS = 28
TICK = 0.1
"""Seconds of the shortest rung; rung n holds a message for 2ⁿ ticks."""
LONGEST_DELAY = (2**RUNGS - 1) * TICK
"""Seconds that one passage of the ladder takes at most; longer waits pass it again."""
LONGEST_WAIT = 100 * 365.25 * 86_400
"""Seconds: no job can be due later than a hundred years from now."""

# A routing key holds 255 bytes (AMQP 0-9-1 §4.2.5.3), of which a delayed one needs two per rung.
LONGEST_QUEUE_NAME = 255 - 2 * RUNGS
# Taken by every version; -1 dead-letters at once on 3.10, and none at all means 20 on 4.x.
NO_DELIVERY_LIMIT = 1_000_000

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    source: str
    key: str
    queue: str = ""
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """What is declared, in this order: exchanges, queues, bindings."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]

    def __add__(self, other: Topology) -> Topology:
        return Topology(
            self.exchanges + other.exchanges,
            self.queues + other.queues,
            self.bindings + other.bindings,
        )


class Names:
    """The names of everything in one namespace."""

    def __init__(self, namespace: str) -> None:
        self.jobs = f"{namespace}.jobs"
        self.dead = f"{namespace}.dead"
        self.control = f"{namespace}.control"
        self.undelivered = f"{namespace}.undelivered"
        self.deliver = f"{namespace}.delay.deliver"
        self.rungs = [f"{namespace}.delay.{n:02}" for n in range(RUNGS)]

    def dead_queue(self, queue: str) -> str:
        return f"{queue}.dead"

    def moving(self, queue: str) -> str:
        """Where the messages of a queue wait while it is declared anew (migrating.py)."""
        return f"{self.jobs.removesuffix('.jobs')}.moving.{queue}"


def check_queue_name(queue: str, namespace: str = "warrener") -> str:
    """The name itself. Raises QueueNameError for one that RabbitMQ's routing could not serve."""
    reason = None
    if not _QUEUE_NAME.fullmatch(queue):
        reason = "it is empty or has other characters (* and # are wildcards of topic exchanges)"
    elif len(queue) > LONGEST_QUEUE_NAME:
        reason = f"it is longer than {LONGEST_QUEUE_NAME} characters"
    elif queue.startswith((f"{namespace}.", "amq.")) or queue.endswith(".dead"):
        reason = "it is reserved"
    if reason:
        raise QueueNameError(queue=queue, reason=reason)
    return queue


def route(names: Names, queue: str, delay: float) -> tuple[str, str]:
    """The exchange and routing key that bring a message to `queue` after `delay` seconds, rounded up
    to a tick. The key carries one bit per rung, highest first, and the message enters at its highest
    set bit, so that a short delay takes few hops."""
    # Rounded first: 1.1 / 0.1 is a little more than 11.
    ticks = min(math.ceil(round(delay / TICK, 6)), 2**RUNGS - 1)
    if ticks <= 0:
        return names.jobs, queue
    bits = ".".join(str(ticks >> n & 1) for n in reversed(range(RUNGS)))
    return names.rungs[ticks.bit_length() - 1], f"{bits}.{queue}"


def shared(settings: Settings) -> Topology:
    """What all queues of a namespace share."""
    names = Names(settings.namespace)
    caught = {"alternate-exchange": names.undelivered}
    ladder = _ladder(names, settings)
    return ladder + Topology(
        exchanges=(
            Exchange(names.jobs, "topic"),
            Exchange(names.dead, "direct", caught),
            Exchange(names.control, "fanout"),
        ),
        queues=(Queue(names.undelivered, kept(settings)),),
        bindings=(Binding(names.undelivered, "", queue=names.undelivered),),
    )


def _ladder(names: Names, settings: Settings) -> Topology:
    exchanges = [
        Exchange(names.undelivered, "fanout"),
        # One missing target would block every delay behind it: what nobody is bound to is caught.
        Exchange(names.deliver, "topic", {"alternate-exchange": names.undelivered}),
    ]
    queues, bindings = [], []
    for n, rung in enumerate(names.rungs):
        below = names.rungs[n - 1] if n else names.deliver
        skipped = "*." * (RUNGS - 1 - n)
        exchanges.append(Exchange(rung, "topic"))
        queues.append(Queue(rung, {**_handing_on(settings, below), "x-message-ttl": 100 * 2**n}))
        bindings.append(Binding(rung, f"{skipped}1.#", queue=rung))
        bindings.append(Binding(rung, f"{skipped}0.#", exchange=below))
    return Topology(tuple(exchanges), tuple(queues), tuple(bindings))


def stage(settings: Settings, queue: str) -> Topology:
    """What one work queue needs. Its dead queue comes first: nothing dies before it can be kept."""
    names = Names(settings.namespace)
    work = {**_handing_on(settings, names.undelivered), **_limits(settings)}
    if settings.max_priority and settings.queue_type == "classic":
        work["x-max-priority"] = settings.max_priority
    return grave(settings, queue) + Topology(
        exchanges=(),
        queues=(Queue(queue, work),),
        bindings=(
            Binding(names.jobs, queue, queue=queue),
            # Exactly one word per rung before the name: a leading # would also match longer names.
            Binding(names.deliver, "*." * RUNGS + queue, queue=queue),
        ),
    )


def grave(settings: Settings, queue: str) -> Topology:
    """The dead queue of one work queue."""
    names = Names(settings.namespace)
    check_queue_name(queue, settings.namespace)
    dead = names.dead_queue(queue)
    return Topology(
        exchanges=(),
        queues=(Queue(dead, kept(settings)),),
        bindings=(Binding(names.dead, queue, queue=dead),),
    )


def _handing_on(settings: Settings, to: str) -> dict[str, Any]:
    """Arguments of a queue whose messages must survive being dead-lettered to exchange `to`."""
    if settings.queue_type == "classic":
        return {"x-queue-type": "classic", "x-dead-letter-exchange": to}
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": to,
        # Without reject-publish, at-least-once silently becomes at-most-once (RabbitMQ docs,
        # "Quorum Queues", dead lettering).
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _limits(settings: Settings) -> dict[str, Any]:
    return {} if settings.queue_type == "classic" else {"x-delivery-limit": NO_DELIVERY_LIMIT}


def kept(settings: Settings) -> dict[str, Any]:
    """Arguments of a queue whose messages stay until someone takes them."""
    return {"x-queue-type": settings.queue_type, **_limits(settings)}


async def declare(channel: Channel, topologies: Iterable[Topology]) -> None:
    """Declare everything, changing nothing that exists as wanted. Raises TopologyMismatch (the broker
    then has closed the channel) when something exists with other arguments."""
    for topology in topologies:
        for exchange in topology.exchanges:
            await exchange_as_declared(channel, exchange)
        for queue in topology.queues:
            await queue_as_declared(channel, queue)
        for binding in topology.bindings:
            await _bind(channel, binding)


async def exchange_as_declared(channel: Channel, exchange: Exchange) -> None:
    """Declare one exchange. Raises TopologyMismatch."""
    declaration = channel.exchange_declare(
        exchange.name, exchange_type=exchange.type, durable=True, arguments=exchange.arguments
    )
    await _declaring(f"exchange {exchange.name}", declaration)


async def queue_as_declared(channel: Channel, queue: Queue) -> None:
    """Declare one queue. Raises TopologyMismatch."""
    declaration = channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
    await _declaring(f"queue {queue.name}", declaration)


async def _bind(channel: Channel, binding: Binding) -> None:
    if binding.queue:
        await channel.queue_bind(binding.queue, binding.source, routing_key=binding.key)
    else:
        await channel.exchange_bind(binding.exchange, binding.source, routing_key=binding.key)


async def _declaring(what: str, declaration: Any) -> None:
    try:
        await declaration
    except aiormq.ChannelPreconditionFailed as error:
        raise mismatch(what, str(error)) from error


_INEQUIVALENT = re.compile(r"arg '([^']+)' .*?: received (.+?) but current is (.+?)(?:\"|$)")


def mismatch(what: str, broker_says: str) -> WarrenerError:
    """The broker's PRECONDITION_FAILED text as an error that names queue, argument and both values."""
    found = _INEQUIVALENT.search(broker_says)
    argument, wanted, current = found.groups() if found else ("something", "it", broker_says)
    return TopologyMismatch(what=what, argument=argument, wanted=wanted, current=current)
