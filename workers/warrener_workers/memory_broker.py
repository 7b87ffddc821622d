"""The broker of the test double: queues in memory, and time that the test moves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from aiormq import spec
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.header import ContentHeader

from warrener.errors import ConfigurationError, QueueNotFound, WarrenerError
from warrener.messages import Message, decode, encode
from warrener.outgoing import Outgoing, check
from warrener.settings import Settings
from warrener.taking import Allowance, at_full_speed
from warrener.topology import Names

from .arrivals import Arrival
from .deliveries import Delivery

START = 1_750_000_000.0
"""What the clock shows when a test begins, in Unix seconds."""


class Clock:
    """Time as the test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class _Confirmed:
    """Stands in for a channel: there is no connection that could be lost."""

    is_closed = False

    def acknowledge(self, tag: int) -> None:
        """Settled."""

    def give_back(self, tag: int, *, requeue: bool) -> None:
        """Never asked for: the double stops only when nothing runs."""


class _MemoryPass:
    """Going through a dead queue in memory, as taking.Pass does through one of RabbitMQ's."""

    in_place = False

    def __init__(self, letters: list[DeliveredMessage]) -> None:
        self._letters = letters
        self.whole = False

    async def groups(
        self, allowed: Allowance = at_full_speed
    ) -> AsyncIterator[list[DeliveredMessage]]:
        """What is there now; nobody else takes any meanwhile."""
        left = len(self._letters)
        while left and (size := min(await allowed(), left)):
            yield self._letters[:size]
            left -= size
        self.whole = left == 0

    async def settle(
        self, group: list[DeliveredMessage], keep: Iterable[DeliveredMessage] = ()
    ) -> None:
        """Done with this group; those to `keep` go to the end of the queue."""
        del self._letters[: len(group)]
        self._letters += keep


class MemoryBroker:
    """Queues in memory, with the publisher's face. A message travels encoded, as over the wire."""

    def __init__(self, settings: Settings, queues: Sequence[str], clock: Clock) -> None:
        self._settings = settings
        self._queues = set(queues)
        self._clock = clock
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, str, spec.Basic.Properties, bytes]] = []
        self._names = Names(settings.namespace)
        self._dead: dict[str, list[DeliveredMessage]] = {
            self._names.dead_queue(queue): [] for queue in queues
        }

    async def publish_many(self, outgoing: Sequence[Outgoing]) -> list[WarrenerError | None]:
        """Take all, as Publisher.publish_many does."""
        return [self._publish(one) for one in outgoing]

    def _publish(self, one: Outgoing) -> WarrenerError | None:
        try:
            check(one, self._settings)
        except WarrenerError as error:
            return error
        if one.queue not in self._queues:
            return QueueNotFound(queue=one.queue)
        if one.dead:
            self._dead[self._names.dead_queue(one.queue)].append(_letter(one.message))
            return None
        due = self._clock() + one.delay
        entry = (due, next(self._numbers), one.queue, encode(one.message), one.message.body)
        heapq.heappush(self._waiting, entry)
        return None

    async def depth(self, queue: str) -> spec.Queue.DeclareOk | None:
        """As Publisher.depth."""
        if queue not in self._queues:
            return None
        ready = sum(1 for entry in self._waiting if entry[2] == queue)
        return spec.Queue.DeclareOk(queue, ready, 1)

    async def require_dead_queue(self, queue: str) -> None:
        """Every queue has one."""

    async def ready(self) -> None:
        """It always is."""

    async def tell_workers(self, what: bytes) -> None:
        """Nobody listens: what runs here ends before anyone could ask it to."""

    def own_channel(self, name: str = "") -> AbstractAsyncContextManager[Channel]:
        """There are no channels. Raises ConfigurationError."""
        raise ConfigurationError(message="the in-memory broker has no channels: use a real one")

    async def close(self) -> None:
        """Nothing to close."""

    @asynccontextmanager
    async def one_pass(self, queue: str) -> AsyncIterator[_MemoryPass]:
        """Go through a dead queue. Raises QueueNotFound."""
        if queue not in self._dead:
            raise QueueNotFound(queue=queue)
        yield _MemoryPass(self._dead[queue])

    def next_due(self) -> float | None:
        """When the next message is due; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    def take_due(self) -> Iterator[Arrival]:
        """Take what is due now, in order."""
        while self._waiting and self._waiting[0][0] <= self._clock():
            _, _, queue, properties, body = heapq.heappop(self._waiting)
            found = decode(properties, body)
            assert isinstance(found, Message), "the double sends only what it has encoded"
            if found.due is not None:
                # Its header has whole milliseconds, and time passes here only when it is told to.
                found = found._replace(due=min(found.due, self._clock()))
            yield Delivery(found, queue, 1, _Confirmed()), found


def _letter(message: Message) -> DeliveredMessage:
    header = ContentHeader(body_size=len(message.body), properties=encode(message))
    return DeliveredMessage(spec.Basic.GetOk(), header, message.body, cast(Channel, _Confirmed()))
