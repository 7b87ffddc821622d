"""Gathering the facts, without changing anything: nothing is declared that does not exist."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import aiormq
from aio_pika.abc import AbstractConnection
from aiormq import spec
from aiormq.channel import Channel
from redis.exceptions import RedisError

from warrener.client import Client
from warrener.connection import LOST, Nodes, open_channel
from warrener.errors import BrokerUnavailable, StoreUnavailable, TopologyMismatch
from warrener.presence import PresenceBoard
from warrener.settings import Settings
from warrener.states import TERMINAL
from warrener.store import Store
from warrener.topology import (
    Exchange,
    Names,
    Queue,
    Topology,
    exchange_as_declared,
    queue_as_declared,
)

from .broker import BrokerFacts, Managed
from .management import Management, NotManaged, guessed
from .store import StoreFacts

T = TypeVar("T")

SCAN_SECONDS = 10.0
SCAN_AT_ONCE = 1000
ENDED = {state.value.encode() for state in TERMINAL}


async def look_at_broker(
    settings: Settings, wanted: Topology, management: str, others: Iterable[str] = ()
) -> BrokerFacts:
    """What is there of what is wanted, and which of the `others` do not exist. Raises
    BrokerUnavailable, BrokerRefusedLogin."""
    connection = await Nodes(settings, "warrener doctor").connect()
    try:
        properties = _properties(connection)
        seen = await _Look(connection, Names(settings.namespace)).all(wanted)
        gone = await seen.absent(others)
        managed, why = await _ask(settings, management, str(properties.get("cluster_name", "")))
    except LOST as error:
        raise BrokerUnavailable(
            url=settings.shown_amqp_url, reason=error, fate="Nothing was changed."
        ) from error
    finally:
        await connection.close()
    return BrokerFacts(
        str(properties.get("version", "")),
        seen.ready,
        seen.consumers,
        seen.missing,
        seen.differing,
        seen.refused,
        seen.aside,
        gone,
        managed,
        why,
    )


def _properties(connection: AbstractConnection) -> dict[str, Any]:
    transport = connection.transport
    found = transport.connection.server_properties if transport else {}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in dict(found).items()
    }


class _Look:
    """Looks at one object after another; a refusal closes the channel, and the next gets a new one."""

    def __init__(self, connection: AbstractConnection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self._channel: Channel | None = None
        self.ready: dict[str, int] = {}
        self.consumers: dict[str, int] = {}
        self.missing: list[str] = []
        self.differing: list[str] = []
        self.refused: list[str] = []
        self.aside: dict[str, int] = {}

    async def all(self, wanted: Topology) -> _Look:
        for exchange in wanted.exchanges:
            await self._exists(
                f"exchange {exchange.name}",
                partial(_passive_exchange, exchange.name),
                partial(_exchange, exchange),
            )
        for queue in wanted.queues:
            what = f"queue {queue.name}"
            found = await self._exists(
                what, partial(_passive_queue, queue.name), partial(_queue, queue)
            )
            if found is not None:
                self.ready[queue.name] = found.message_count or 0
                self.consumers[queue.name] = found.consumer_count or 0
        for queue in wanted.queues:
            await self._is_aside(queue.name)
        return self

    async def _is_aside(self, queue: str) -> None:
        with suppress(aiormq.ChannelNotFoundEntity, aiormq.ChannelAccessRefused):
            found = await _passive_queue(self._names.moving(queue), await self._open())
            self.aside[queue] = found.message_count or 0

    async def absent(self, queues: Iterable[str]) -> frozenset[str]:
        """Those of the queues that do not exist."""
        absent = set()
        for queue in queues:
            try:
                await _passive_queue(queue, await self._open())
            except aiormq.ChannelNotFoundEntity:
                absent.add(queue)
            except aiormq.ChannelAccessRefused:
                continue
        return frozenset(absent)

    async def _exists(
        self,
        what: str,
        passive: Callable[[Channel], Awaitable[T]],
        again: Callable[[Channel], Awaitable[None]],
    ) -> T | None:
        """What a passive declare answers. Declared once more as wanted, only if it is there: that changes
        nothing, and tells of the first argument that differs."""
        found = None
        try:
            found = await passive(await self._open())
            await again(await self._open())
        except aiormq.ChannelNotFoundEntity:
            self.missing.append(what)
        except TopologyMismatch as error:
            self.differing.append(str(error))
        except aiormq.ChannelAccessRefused:
            self.refused.append(what)
        return found

    async def _open(self) -> Channel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(self._connection)
        return self._channel


async def _passive_exchange(name: str, channel: Channel) -> spec.Exchange.DeclareOk:
    return await channel.exchange_declare(name, passive=True)


async def _exchange(exchange: Exchange, channel: Channel) -> None:
    await exchange_as_declared(channel, exchange)


async def _passive_queue(name: str, channel: Channel) -> spec.Queue.DeclareOk:
    return await channel.queue_declare(name, passive=True)


async def _queue(queue: Queue, channel: Channel) -> None:
    await queue_as_declared(channel, queue)


async def _ask(settings: Settings, url: str, cluster: str) -> tuple[Managed | None, str]:
    try:
        api = Management(url or guessed(settings.amqp_url.get_secret_value()), settings)
        return await asyncio.to_thread(api.look, cluster), ""
    except NotManaged as error:
        return None, str(error)


async def look_at_store(settings: Settings, client: Client) -> StoreFacts:
    """What Redis says of itself. Raises StoreUnavailable if it does not answer at all."""
    store = client.store
    await store.ping()
    unseen: dict[str, str] = {}
    info: dict[str, Any] = await _try(store, "INFO", unseen) or {}
    config: dict[str, str] = {}
    for name in ("save", "appendfsync"):
        config |= await _try(store, f"CONFIG GET {name}", unseen) or {}
    before = time.time()
    told = await _try(store, "TIME", unseen)
    now = (before + time.time()) / 2
    at = None if told is None else float(told[0]) + float(told[1]) / 1e6
    try:
        presences = await PresenceBoard(settings, store).living()
    except StoreUnavailable as error:
        unseen["presences of workers"], presences = str(error), []
    unfinished: Counter[str] = Counter()
    try:
        unfinished = await _unfinished(settings, store)
    except (RedisError, TimeoutError) as error:
        unseen["SCAN of records"] = str(error) or f"it took longer than {SCAN_SECONDS:g} s"
    return StoreFacts(info, config, now, at, presences, unseen, unfinished)


async def _unfinished(settings: Settings, store: Store) -> Counter[str]:
    """Unfinished jobs by queue. Raises TimeoutError if there are too many records to read them all."""
    found: Counter[str] = Counter()
    cursor, pattern = 0, f"{settings.namespace}:job:*"
    async with asyncio.timeout(SCAN_SECONDS):
        while True:
            cursor, keys = await store.client.scan(cursor, pattern, SCAN_AT_ONCE, "hash")
            pipeline = store.client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, "state", "queue", "unconfirmed")
            for state, queue, unconfirmed in await pipeline.execute() if keys else ():
                if queue and not unconfirmed and state not in ENDED:
                    found[queue.decode(errors="replace")] += 1
            if not cursor:
                return found


async def _try(store: Store, command: str, unseen: dict[str, str]) -> Any:
    word, *rest = command.split()
    calls: dict[str, Callable[..., Awaitable[Any]]] = {
        "INFO": store.client.info,
        "TIME": store.client.time,
    }
    try:
        if word == "CONFIG":
            found = await store.client.config_get(rest[-1])
            return {_text(name): _text(value) for name, value in found.items()}
        return await calls[word]()
    except RedisError as error:
        unseen[command] = str(error)
        return None


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
