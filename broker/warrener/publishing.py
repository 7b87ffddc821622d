"""Publishing: always confirmed, always routed, within a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiormq
from aiormq import spec
from aiormq.channel import Channel
from aiormq.exceptions import PublishError

from . import joining, topology
from .connection import LOST, Link, not_cancelled, nothing
from .errors import (
    BrokerRefusedLogin,
    BrokerUnavailable,
    ExchangeNotFound,
    PublishRefused,
    PublishTimeout,
    QueueNotFound,
    TopologyMismatch,
    WarrenerError,
)
from .messages import Message, Seal, encode
from .outgoing import Outgoing, check
from .priorities import check_broker, may_climb, version_of
from .questions import Questions
from .settings import Settings
from .telling import Teller
from .windows import each_queue, in_turn

_AWAY = (BrokerUnavailable, BrokerRefusedLogin, ExchangeNotFound, TopologyMismatch)


class Publisher:
    """Publishes on a link of its own: a broker's alarm blocks connections that publish, and must not
    stop acknowledgements."""

    def __init__(
        self, settings: Settings, name: str, queues: Iterable[str], seal: Seal | None = None
    ) -> None:
        self._settings = settings
        self._seal = seal
        self.watchers: list[Callable[[Outgoing, float, BaseException | None], None]] = []
        """Told of each publish: how many seconds it took, and what was wrong."""
        self._names = topology.Names(settings.namespace)
        self._own = sorted(set(queues))
        self._known = set(self._own) if settings.declare else set()
        self._exchanges: set[str] = set()
        self._learning = asyncio.Lock()
        self._climbs = True
        self._link = Link(settings, name, self._declare)
        self._joined: joining.JoinedPublishes | None = None
        self._questions = Questions(settings, name, self._link.channel)
        self._teller = Teller(settings, name)

    async def _declare(self, channel: Channel) -> None:
        version = version_of(channel.connection.server_properties)
        check_broker(self._settings, version)
        self._climbs = may_climb(self._settings, version)
        if self._settings.declare:
            stages = [topology.stage(self._settings, queue) for queue in self._own]
            await topology.declare(channel, [topology.shared(self._settings), *stages])

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish one message; returns once the broker has it safely.

        Raises InvalidDelay, QueueNotFound, ExchangeNotFound, PublishRefused, PublishTimeout or
        BrokerUnavailable; each says in `may_arrive` whether the job may still run.
        """
        [fault] = await self.publish_many([outgoing])
        if fault is not None:
            raise fault

    async def publish_many(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        """Publish all, with the confirms of many awaited together: one answer for each, in order. Those
        that come behind many for which nobody was there are not tried, and no queue waits for another."""
        turns = partial(in_turn, publish=self._seen, for_the_rest=self._for_the_rest)
        return await each_queue(outgoing, turns)

    async def _seen(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        if not self.watchers:
            return await self._publish(outgoing)
        began = time.perf_counter()
        faults: Sequence[BaseException | None] = []
        try:
            answers = faults = await self._publish(outgoing)
            return answers
        except BaseException as error:
            faults = [error] * len(outgoing)
            raise
        finally:
            seconds = time.perf_counter() - began
            for one, fault in zip(outgoing, faults, strict=True):
                for saw in self.watchers:
                    saw(one, seconds, fault)

    async def _publish(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        """Publish these within one deadline, in one write."""
        faults: list[WarrenerError | None] = [None] * len(outgoing)
        seconds = self._settings.publish_timeout
        channel: Channel | None = None
        confirms: joining.Confirms | None = None
        left: WarrenerError | None = None
        routes: dict[int, tuple[str, str]] = {}
        try:
            async with asyncio.timeout(seconds):
                with not_cancelled():
                    await self._find_routes(outgoing, routes, faults)
                    if not routes:
                        return faults
                    channel = await self._link.channel()
                    confirms = self._write(channel, [(outgoing[n], routes[n]) for n in routes])
                    await confirms.done
        except WarrenerError as error:
            left = error
        except TimeoutError as error:
            left = self._link.unavailable(error) if channel is None else None
        except LOST as error:
            left = self._lost(error, may_arrive=channel is not None)
        if confirms is None:
            return [fault or left for fault in faults]
        for n, (place, fault) in enumerate(zip(routes, confirms.faults, strict=True)):
            job_id, queue = outgoing[place].message.job_id, outgoing[place].queue
            if fault is not None:
                faults[place] = self._fault(fault, job_id, queue, channel)
            elif n in confirms.open:
                faults[place] = left or PublishTimeout(job_id=job_id, seconds=seconds)
        return faults

    async def _find_routes(
        self,
        outgoing: Sequence[Outgoing],
        routes: dict[int, tuple[str, str]],
        faults: list[WarrenerError | None],
    ) -> None:
        """Exchange and routing key of each, by its place, or what is wrong with it."""
        missing: WarrenerError | None = None
        for place, one in enumerate(outgoing):
            try:
                check(one, self._settings)
                exchange, key = self._route(one)
                if one.delay > 0 and one.queue not in self._known:
                    # All go to this queue: one answer is enough.
                    if missing is not None:
                        raise missing
                    await self._require(one.queue)
                if not self._settings.declare and exchange not in self._exchanges:
                    await self._require_exchange(exchange)
                routes[place] = exchange, key
            except QueueNotFound as error:
                faults[place] = missing = error
            except WarrenerError as error:
                faults[place] = error

    def _write(
        self, channel: Channel, routed: Sequence[tuple[Outgoing, tuple[str, str]]]
    ) -> joining.Confirms:
        if self._joined is None or self._joined.channel is not channel:
            self._joined = joining.JoinedPublishes(channel)
        return self._joined.publish(
            [(*route, self._properties(one), one.message.body) for one, route in routed]
        )

    def _fault(
        self, error: BaseException, job_id: str, queue: str, channel: Channel | None
    ) -> WarrenerError:
        if isinstance(error, PublishError):
            return QueueNotFound(queue=queue)
        if isinstance(error, ValueError | TypeError):
            reason = f"it cannot be written as a message: {error}"
            return PublishRefused(job_id=job_id, queue=queue, reason=reason)
        if isinstance(error, aiormq.DeliveryError):
            if channel is not None:
                self._link.retire(channel)
            return PublishRefused(job_id=job_id, queue=queue, reason=str(error))
        return self._lost(error, may_arrive=True)

    def _lost(self, error: BaseException, *, may_arrive: bool) -> WarrenerError:
        # Should an exchange have been deleted, the next publish finds out.
        self._exchanges.clear()
        return self._link.unavailable(error, may_arrive=may_arrive)

    def _for_the_rest(self, error: WarrenerError) -> WarrenerError | None:
        """What this error means for messages that have not been tried; None for nothing."""
        if isinstance(error, PublishTimeout):
            reason = f"it confirmed nothing for {self._settings.publish_timeout:g} s"
            return self._link.unavailable(RuntimeError(reason))
        # One that was lost on its way is no sign: the connection may be opened again.
        return error if isinstance(error, _AWAY) and not error.may_arrive else None

    def _route(self, outgoing: Outgoing) -> tuple[str, str]:
        if outgoing.dead:
            return self._names.dead, outgoing.queue
        delay = outgoing.delay
        if outgoing.message.due is not None:
            # The worker that gets it knows when it is due, and waits out the rest of the tick. One that is
            # put back, and was due before, comes as much earlier, which is no worse.
            delay -= topology.TICK
        return topology.route(self._names, outgoing.queue, delay)

    def _properties(self, outgoing: Outgoing) -> spec.Basic.Properties:
        found = encode(self._sealed(outgoing))
        if outgoing.dead or (outgoing.delay > 0 and not self._climbs):
            # The header keeps it: letters stay in their order, and delays each to itself.
            found.priority = None
        return found

    def _sealed(self, outgoing: Outgoing) -> Message:
        message, queue = outgoing.message, outgoing.queue
        if self._seal is None or outgoing.refused:
            return message
        # A letter is signed for its dead queue, so that it is no job when somebody copies it from there.
        return self._seal.seal(message, self._names.dead_queue(queue) if outgoing.dead else queue)

    async def _require(self, queue: str) -> None:
        # The ladder takes any routing key, so that a delayed job for a queue that does not exist
        # would only be noticed when its time has come.
        async with self._learning:
            if queue not in self._known and await self.depth(queue) is None:
                raise QueueNotFound(queue=queue)
            self._known.add(queue)

    async def _require_exchange(self, exchange: str) -> None:
        # Asked first: a publish to an exchange that does not exist closes its channel, and nobody could
        # tell what has become of the other messages in flight there.
        async with self._learning:
            if exchange in self._exchanges:
                return
            if not await self._questions.has_exchange(exchange):
                raise ExchangeNotFound(exchange=exchange)
            self._exchanges.add(exchange)

    async def require_dead_queue(self, queue: str) -> None:
        """Return once the dead queue of `queue` exists, declared now if it must be. Raises
        QueueNotFound if it does not exist and is not ours to declare."""
        dead = self._names.dead_queue(queue)
        if await self.depth(dead) is not None:
            return
        if not self._settings.declare:
            raise QueueNotFound(queue=dead)
        async with self._questions.channel() as channel:
            await topology.declare(channel, [topology.grave(self._settings, queue)])

    async def depth(self, queue: str) -> spec.Queue.DeclareOk | None:
        """Ready messages and consumers of a queue, or None if it does not exist."""
        return await self._questions.depth(queue)

    async def tell_workers(self, what: bytes) -> None:
        """Send this control message to all workers that listen: see Teller.tell()."""
        await self._link.channel()  # what we know of is declared first
        await self._teller.tell(what)

    async def is_blocked(self) -> bool:
        """True while an alarm of RabbitMQ holds publishes up: see Teller.is_blocked()."""
        await self._link.channel()
        return await self._teller.is_blocked()

    async def ready(self) -> None:
        """Return if the broker answers. Raises BrokerUnavailable or BrokerRefusedLogin."""
        # A round trip: a connection stays open for several heartbeats after the broker hangs, and as
        # long as it wants while an alarm blocks it.
        channel = await self._link.spare_channel()
        try:
            with not_cancelled():
                await channel.close()
        except LOST as error:
            raise self._link.unavailable(error) from error

    @asynccontextmanager
    async def own_channel(self, name: str = "warrener pass") -> AsyncIterator[Channel]:
        """A channel on a connection of the caller's own. Raises BrokerUnavailable."""
        await self._link.channel()
        link = Link(self._settings, name, nothing)
        try:
            channel = await link.channel()
            try:
                with not_cancelled():
                    yield channel
            finally:
                # Closing the connection alone might not wait for the last acknowledgement.
                if not channel.is_closed:
                    await channel.close()
        finally:
            await link.close()

    async def close(self) -> None:
        """Close the connections; at once, since each waits for a while for a broker that hangs."""
        links = (self._teller, self._questions, self._link)
        await asyncio.gather(*(link.close() for link in links))
