"""Which workers live, and what they run: each says so on a beat, in a key that lapses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from .errors import WorkerNameTaken, WorkerNotFound
from .fields import known
from .settings import Settings
from .store import Store

LOST_FOR = 3600
"""Seconds for which a worker that was lost is remembered."""
_ANSWERED = 60
"""Seconds for which the answers to a ping are kept."""
_ASKED = 86_400
"""Seconds for which a worker that cannot be reached is still asked to stop."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker says of itself on each beat. Times are Unix seconds."""

    owner: str
    """This start of this worker."""
    name: str
    host: str
    pid: int
    version: str
    queues: list[str]
    pool: str
    slots: int
    started: float
    seen: float
    busy: int = 0
    running: list[dict[str, Any]] = field(default_factory=list)
    """Jobs whose claims are older than one beat: id, task, queue, attempt, token, started, and whether a
    process has `begun` them."""
    claiming: list[str] = field(default_factory=list)
    """Tokens of claims as old whose answer has not come yet."""
    held: dict[str, int] = field(default_factory=dict)
    """Jobs that it has claimed and not settled, by queue."""
    memory: int = 0
    """Bytes that its processes hold; 0 where nobody says."""

    @property
    def begun(self) -> list[dict[str, Any]]:
        """Those of `running` that a process has begun."""
        return [job for job in self.running if job.get("begun", True)]

    @property
    def reserved(self) -> list[dict[str, Any]]:
        """Those that wait for a place in one."""
        return [job for job in self.running if not job.get("begun", True)]

    def holds(self, token: str) -> bool:
        """True if this claim is among those listed."""
        return token in self.claiming or any(job["token"] == token for job in self.running)


class PresenceBoard:
    """Reads and writes presences. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._prefix = settings.namespace
        self._lifetime_ms = round(settings.presence_lifetime * 1000)
        self._beat = settings.beat

    def _worker(self, owner: str) -> str:
        return f"{self._prefix}:worker:{owner}"

    def _name(self, name: str) -> str:
        return f"{self._prefix}:worker-name:{name}"

    def _stop(self, owner: str) -> str:
        return f"{self._prefix}:worker-stop:{owner}"

    @property
    def _all(self) -> str:
        return f"{self._prefix}:workers"

    @property
    def _names(self) -> str:
        return f"{self._prefix}:workers-names"

    @property
    def _lost(self) -> str:
        return f"{self._prefix}:workers-lost"

    async def take_name(self, presence: Presence) -> None:
        """Take the worker's name. Raises WorkerNameTaken while a living worker has it."""
        client, key = self._store.client, self._name(presence.name)
        async with self._store.reachable():
            if await client.set(key, presence.owner, px=self._lifetime_ms, nx=True):
                return
            holder: bytes | None = await client.get(key)  # type: ignore[assignment]
        other = await self.of(holder.decode()) if holder else None
        raise WorkerNameTaken(
            name=presence.name,
            host=other.host if other else "a host that has just gone silent",
            pid=other.pid if other else "unknown",
        )

    async def renew(self, presence: Presence) -> bool:
        """Say that this worker lives; answers whether somebody has asked it to stop."""
        text = orjson.dumps(presence)
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            pipeline.set(self._worker(presence.owner), text, px=self._lifetime_ms)
            pipeline.set(self._name(presence.name), presence.owner, px=self._lifetime_ms)
            pipeline.zadd(self._all, {presence.owner: presence.seen})
            pipeline.hset(self._names, presence.owner, presence.name)
            pipeline.exists(self._stop(presence.owner))
            [*_, asked] = await pipeline.execute()
        return bool(asked)

    async def ask_to_stop(self, name: str) -> Presence:
        """Ask the living worker of this name to stop, as by SIGTERM: it hears it on its next beat. Only
        this start of it is asked, not one that a supervisor starts in its place. Raises WorkerNotFound."""
        workers = await self.living()
        found = next((worker for worker in workers if worker.name == name), None)
        if found is None:
            living = ", ".join(worker.name for worker in workers) or "none"
            raise WorkerNotFound(name=name, living=living)
        async with self._store.reachable():
            await self._store.client.set(self._stop(found.owner), b"1", ex=_ASKED)
        return found

    def _pong(self, token: str) -> str:
        return f"{self._prefix}:pong:{token}"

    async def answer(self, token: str, owner: str) -> None:
        """Say that this worker has heard a ping."""
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            pipeline.rpush(self._pong(token), owner)
            pipeline.expire(self._pong(token), _ANSWERED)
            await pipeline.execute()

    async def answered(self, token: str) -> list[str]:
        """Who has."""
        async with self._store.reachable():
            found: Any = await self._store.client.lrange(self._pong(token), 0, -1)
        return [owner.decode() for owner in found]

    async def leave(self, presence: Presence) -> None:
        """Say that this worker has ended."""
        client = self._store.client
        async with self._store.reachable():
            pipeline = client.pipeline(transaction=False)
            pipeline.get(self._name(presence.name))
            pipeline.hgetall(self._names)
            pipeline.zrange(self._lost, 0, -1)
            holder, names, lost = await pipeline.execute()
            name, gone, missed = presence.name.encode(), {presence.owner.encode()}, []
            pipeline = client.pipeline(transaction=False)
            if holder in (None, presence.owner.encode()):
                # Those of its name that were lost before it came have been replaced: nobody misses them.
                gone |= {owner for owner, its in names.items() if its == name}
                missed = [one for one in lost if one.partition(b" ")[2] == name]
                pipeline.delete(self._name(presence.name))
            pipeline.delete(self._worker(presence.owner))
            pipeline.zrem(self._all, *gone)
            pipeline.hdel(self._names, *gone)
            if missed:
                pipeline.zrem(self._lost, *missed)
            await pipeline.execute()

    async def of(self, owner: str) -> Presence | None:
        """The presence of one worker, or None if it has lapsed."""
        return (await self.of_many([owner])).get(owner)

    async def of_many(self, owners: Iterable[str]) -> dict[str, Presence]:
        """The presences of these workers, without those that have lapsed."""
        wanted = list(owners)
        if not wanted:
            return {}
        async with self._store.reachable():
            # One by one, not MGET: the keys lie in different slots of a Redis Cluster.
            pipeline = self._store.client.pipeline(transaction=False)
            for owner in wanted:
                pipeline.get(self._worker(owner))
            texts = await pipeline.execute()
        return {
            owner: Presence(**known(Presence, orjson.loads(text)))
            for owner, text in zip(wanted, texts, strict=True)
            if text is not None
        }

    async def living(self) -> list[Presence]:
        """All living workers, by name. Those that have lapsed are put with the lost."""
        async with self._store.reachable():
            members: Any = await self._store.client.zrange(self._all, 0, -1, withscores=True)
        seen = {member.decode(): float(score) for member, score in members}
        presences = await self.of_many(seen)
        if lapsed := {owner: at for owner, at in seen.items() if owner not in presences}:
            await self._remember(lapsed)
        return sorted(presences.values(), key=lambda presence: presence.name)

    async def _remember(self, lapsed: dict[str, float]) -> None:
        async with self._store.reachable():
            names: Any = await self._store.client.hmget(self._names, list(lapsed))
            pipeline = self._store.client.pipeline(transaction=False)
            for (owner, at), name in zip(lapsed.items(), names, strict=True):
                if name is not None:
                    pipeline.zadd(self._lost, {f"{owner} {name.decode()}": at})
            pipeline.zrem(self._all, *lapsed)
            pipeline.hdel(self._names, *lapsed)
            pipeline.zremrangebyscore(self._lost, "-inf", max(lapsed.values()) - LOST_FOR)
            pipeline.expire(self._lost, LOST_FOR)
            await pipeline.execute()

    async def lost(self, now: float) -> dict[str, float]:
        """The names of workers that were lost within the last hour, and under which none lives again, with
        when each was last seen."""
        names = {worker.name for worker in await self.living()}
        async with self._store.reachable():
            found: Any = await self._store.client.zrange(
                self._lost, now - LOST_FOR, "+inf", byscore=True, withscores=True
            )
        seen = {member.decode().partition(" ")[2]: float(at) for member, at in found}
        return {name: at for name, at in seen.items() if name not in names}

    def abandoned(self, presence: Presence | None, token: str, claimed: float) -> bool:
        """True if nobody runs this claim any more: its owner has lapsed, or has not listed it at a
        beat two beats after it was made. Both times are the owner's own, so that clocks need not
        agree, nor the beat be punctual."""
        if presence is None:
            return True
        return presence.seen - claimed > 2 * self._beat and not presence.holds(token)
