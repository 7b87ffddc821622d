"""Declaring a queue anew with other arguments, without losing what is in it or on its way.

RabbitMQ cannot change a queue's arguments. So its messages, old and new, wait aside in another queue,
`warrener.moving.QUEUE`, while it is deleted and declared again:

    aside exists · aside is bound, then the queue is not · messages go aside · the queue is deleted
    the queue exists as wanted · it is bound, then aside is not · messages come back · aside is deleted

Every message is confirmed where it goes before it is acknowledged where it was, and something is bound at
every moment. Killed anywhere and run again, it goes on from what it finds. A message may then be there
twice, which its job's id makes harmless, as everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from . import topology
from .client import Client
from .connection import LOST
from .errors import (
    BrokerUnavailable,
    ConfigurationError,
    QueueBusy,
    QueueNotFound,
    TopologyMismatch,
)
from .messages import Message, decode
from .presence import PresenceBoard
from .taking import Pass, locked, require_no_consumers
from .topology import RUNGS, Binding, Queue

SETTLED = 1.0
"""Seconds before a new queue gets its first message: the last quorum queue that was declared within 0.3 s
of a kill -9 loses what it has confirmed (seen on 3.10.8, 4.0.5 and 4.3.6, a single node)."""


@dataclass(slots=True)
class MigrationReport:
    """What a migration did: nothing, if the queue was as wanted and nothing was aside."""

    queue: str
    changed: bool = False
    moved: int = 0
    """Messages that were put aside or brought back; each counts twice."""


class Migrator:
    """Migrates queues to what the settings want. Its client must not declare: what differs is the point."""

    def __init__(self, client: Client) -> None:
        assert not client.settings.declare
        self._settings = client.settings
        self._publisher = client.publisher
        self._clock = client.clock
        self._presences = PresenceBoard(client.settings, client.store)
        self._names = topology.Names(client.settings.namespace)

    async def migrate(self, queue: str) -> MigrationReport:
        """Bring one queue to the arguments that are wanted: a work queue, a dead queue, a rung or the
        queue for the undelivered. Nobody may consume it meanwhile.

        Raises QueueNotFound, QueueBusy, ConfigurationError, TopologyMismatch, BrokerUnavailable,
        StoreUnavailable.
        """
        wanted, bindings = self._wanted(queue)
        await self._refuse_if_served(queue)
        try:
            async with locked(self._publisher, self._settings, queue):
                await self._require_unused(queue)
                return await self._migrate(wanted, bindings)
        except LOST as error:
            raise BrokerUnavailable(
                url=self._settings.shown_amqp_url,
                reason=error,
                fate=f"Nothing is lost: run `warrener topology migrate {queue}` again.",
            ) from error

    async def _migrate(self, wanted: Queue, bindings: Sequence[Binding]) -> MigrationReport:
        report = MigrationReport(wanted.name)
        aside = self._aside(wanted)
        there = await self._publisher.depth(wanted.name) is not None
        halfway = await self._publisher.depth(aside.name) is not None
        if not there and not halfway:
            raise QueueNotFound(queue=wanted.name)
        differs = await self._difference(wanted) if there else None
        if differs is not None:
            await self._refuse_if_it_hides(wanted, aside, differs)
            await self._declare(aside)
            await self._rebind(bindings, wanted, aside)
            await self._empty(wanted, aside, report)
        if differs is not None or halfway:
            report.changed = True
            await self._declare(wanted)
            await self._rebind(bindings, aside, wanted)
            await self._empty(aside, wanted, report)
        return report

    # What is wanted ------------------------------------------------------------------------------

    def _wanted(self, queue: str) -> tuple[Queue, list[Binding]]:
        settings, dead = self._settings, queue.removesuffix(".dead")
        if queue == self._names.undelivered or queue in self._names.rungs:
            part = topology.shared(settings)
        elif dead != queue:
            part = topology.grave(settings, dead)
        else:
            part = topology.stage(settings, queue)
        [wanted] = [one for one in part.queues if one.name == queue]
        return wanted, [one for one in part.bindings if one.queue == queue]

    def _aside(self, wanted: Queue) -> Queue:
        """Where messages wait meanwhile. A rung's go on from there in time, so it is a rung as well; a
        classic one, which hides nothing."""
        arguments = topology.kept(self._settings)
        if wanted.name in self._names.rungs:
            both = ("x-dead-letter-exchange", "x-message-ttl")
            arguments = {"x-queue-type": "classic", **{n: wanted.arguments[n] for n in both}}
        return Queue(self._names.moving(wanted.name), arguments)

    async def _difference(self, wanted: Queue) -> TopologyMismatch | None:
        try:
            async with self._publisher.own_channel() as channel:
                await topology.queue_as_declared(channel, wanted)
        except TopologyMismatch as error:
            return error
        return None

    # What must not be ----------------------------------------------------------------------------

    async def _refuse_if_served(self, queue: str) -> None:
        """A worker that stops has cancelled its consumer already, and still holds what it runs."""
        shared = queue == self._names.undelivered
        living = await self._presences.living()
        if names := [one.name for one in living if shared or queue in one.queues]:
            raise ConfigurationError(
                message=f"Queue {queue!r} cannot be migrated while workers serve it "
                f"({', '.join(names)}): stop them first. One that was killed counts as living for "
                f"{self._settings.presence_lifetime:g} s."
            )

    async def _require_unused(self, queue: str) -> None:
        """A quorum queue may go on counting a consumer that has just gone, such as that of a pass (seen
        on 3.10.8). Raises QueueBusy if it stays."""
        for _ in range(60):
            with suppress(QueueBusy):
                return await require_no_consumers(self._publisher, queue)
            await asyncio.sleep(0.1)
        await require_no_consumers(self._publisher, queue)

    async def _refuse_if_it_hides(
        self, wanted: Queue, aside: Queue, differs: TopologyMismatch
    ) -> None:
        """A quorum rung keeps what it is handing on where no client sees it: deleted then, that would be
        lost. A classic one has just the arguments of what takes its place meanwhile."""
        rung = wanted.name in self._names.rungs
        if rung and await self._difference(replace(aside, name=wanted.name)) is not None:
            raise ConfigurationError(
                message=f"{differs} As a rung of the delay ladder it cannot be migrated: stop "
                "producers and workers, wait until it is empty, and delete it then."
            )

    # The steps, each of which may be the last that a process lived to make -------------------------

    async def _declare(self, queue: Queue) -> None:
        new = await self._publisher.depth(queue.name) is None
        async with self._publisher.own_channel() as channel:
            await topology.queue_as_declared(channel, queue)
        if new and queue.arguments["x-queue-type"] == "quorum":
            await asyncio.sleep(SETTLED)

    async def _rebind(self, bindings: Iterable[Binding], old: Queue, new: Queue) -> None:
        async with self._publisher.own_channel() as channel:
            for one in bindings:
                await channel.queue_bind(new.name, one.source, routing_key=one.key)
        await self._unbind(bindings, old)

    async def _unbind(self, bindings: Iterable[Binding], old: Queue) -> None:
        async with self._publisher.own_channel() as channel:
            for one in bindings:
                await channel.queue_unbind(old.name, one.source, routing_key=one.key)

    async def _empty(self, source: Queue, target: Queue, report: MigrationReport) -> None:
        """Move all there is, and delete the source once it is empty and nobody consumes it."""
        where = self._where(source, target)
        while True:
            report.moved += await self._move(source.name, where)
            # Somebody may have begun to serve it meanwhile, and hold what a delete would take along.
            await self._require_unused(source.name)
            await self._refuse_if_served(source.name)
            if await self._delete(source.name):
                return

    def _where(self, source: Queue, target: Queue) -> Callable[[DeliveredMessage], tuple[str, str]]:
        rungs = [one.name for one in (source, target) if one.name in self._names.rungs]
        if not rungs:
            return lambda _: ("", target.name)

        def up_the_ladder(delivered: DeliveredMessage) -> tuple[str, str]:
            key = delivered.routing_key or ""
            found = decode(delivered.header.properties, delivered.body)
            if isinstance(found, Message) and found.due is not None:
                left = max(topology.TICK, found.due - self._clock())
                return topology.route(self._names, ".".join(key.split(".")[RUNGS:]), left)
            return rungs[0], key  # it waits on this rung once more: late, and never early

        return up_the_ladder

    async def _move(self, source: str, where: Callable[[DeliveredMessage], tuple[str, str]]) -> int:
        moved = 0
        async with self._publisher.own_channel() as channel:
            one = Pass(channel, source, self._settings.publish_timeout)
            async for group in one.groups():
                await one.hand_on(group, where)
                moved += len(group)
        return moved

    async def _delete(self, queue: str) -> bool:
        """Delete a queue that is empty and unused; False if it is not."""
        try:
            async with self._publisher.own_channel() as channel:
                await channel.queue_delete(queue, if_unused=True, if_empty=True)
        except aiormq.ChannelPreconditionFailed:
            return False
        except aiormq.ConnectionNotImplemented:
            # Quorum queues know no conditions. A get is a command in the queue's log, so that its
            # answer is up to date; nothing is bound to the queue any more, and no pass is under way.
            async with self._publisher.own_channel() as channel:
                if await _holds_something(channel, queue):
                    return False
                await channel.queue_delete(queue)
        return True


async def _holds_something(channel: Channel, queue: str) -> bool:
    answer = await channel.basic_get(queue)
    if isinstance(answer.delivery, spec.Basic.GetOk):
        await channel.basic_nack(answer.delivery.delivery_tag or 0, requeue=True)
        return True
    return False
