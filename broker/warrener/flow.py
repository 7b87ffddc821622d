"""Flow control in the store: what operators have set for queues, and who has a place where places are
limited. It holds counters and reservations alone, which lapse with their owner; jobs wait in RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .limits import QueueRules, Rate, Scope
from .records import JobStatus
from .settings import Settings
from .states import State
from .store import Call, Store

PATIENT = 8
"""How often a job was parked until the next place is kept for it: after about a minute."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one job needs in order to start: a place in each of these scopes."""

    token: str
    job_id: str
    parks: int
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """No place: which scope has none, whether for its `rate` or because so many are `in_flight`."""

    scope: str
    what: str
    wait: float
    """Seconds until a start is due; 0 where nobody knows."""
    booked: bool
    """True if the next place is kept for this job."""


class Flow:
    """Reads and writes them. Every method raises StoreUnavailable while Redis is away. Without a `clock`
    the time is Redis's own, so that those of workers need not agree."""

    def __init__(
        self, settings: Settings, store: Store, clock: Callable[[], float] | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease = round(settings.presence_lifetime * 1000)
        self._rules = f"{settings.namespace}:flow:rules"
        # One hash tag: a job's scopes are taken together, or none of them.
        self._prefix = f"{settings.namespace}:{{flow}}"

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

    @property
    def _full(self) -> str:
        return f"{self._prefix}:full"

    @property
    def _now(self) -> str | float:
        return "" if self._clock is None else self._clock() * 1000

    # What operators set --------------------------------------------------------------------------

    async def rules(self) -> dict[str, QueueRules]:
        """What is set, by queue; of other queues nothing is."""
        async with self._store.reachable():
            found: Any = await self._store.client.hgetall(self._rules)
        rules: dict[str, QueueRules] = {}
        for field, value in found.items():
            what, _, queue = field.decode().partition(":")
            before = rules.get(queue, QueueRules())
            text = value.decode()
            if what == "paused":
                rules[queue] = replace(before, paused=True)
            elif what == "rate":
                rules[queue] = replace(before, rate=text)
            elif what == "max_in_flight":
                rules[queue] = replace(before, max_in_flight=int(text))
        return rules

    async def set(self, queue: str, **wanted: str | int | None) -> None:
        """Set `paused` (1), `rate`, `max_in_flight` of a queue; None takes it away."""
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=True)
            for what, value in wanted.items():
                if value is None:
                    pipeline.hdel(self._rules, f"{what}:{queue}")
                else:
                    pipeline.hset(self._rules, f"{what}:{queue}", str(value))
            await pipeline.execute()

    # Places --------------------------------------------------------------------------------------

    async def take(
        self, asks: Sequence[Ask], *, judge: bool = True, look: bool = False
    ) -> list[Refusal | None]:
        """Ask for places, all in one round trip: None where they were granted. Lapsed ones are freed if
        `judge`; with `look` nothing is taken, nor is the refusal noted."""
        replies = await self._store.call([self._take(ask, judge, look) for ask in asks])
        return [_refusal(reply) for reply in replies]

    def _take(self, ask: Ask, judge: bool, look: bool) -> Call:
        keys = [self._full, self._key("waits", ask.job_id)]
        facts: list[str | float] = []
        for scope in ask.scopes:
            keys += [self._key(kind, scope.name) for kind in ("places", "rate", "booked")]
            facts += [scope.name, "" if scope.max_in_flight is None else scope.max_in_flight]
            if scope.rate is None:
                facts += ["", ""]
            else:
                rate = Rate.parse(scope.rate)
                facts += [repr(rate.interval * 1000), rate.burst]
        who = (ask.token, ask.job_id, ask.parks, self._now)
        how = (self._lease, int(judge), int(not look), PATIENT)
        return Call("flow/take", tuple(keys), (*who, *how, *facts))

    async def leave(self, asks: Iterable[Ask]) -> None:
        """Give back these places."""
        await self._store.call(
            [Call("flow/leave", self._places(ask), (ask.token,)) for ask in asks]
        )

    async def renew(self, asks: Iterable[Ask]) -> None:
        """Keep these places for as long as a presence lasts."""
        now, lease = self._now, self._lease
        await self._store.call(
            [Call("flow/renew", self._places(ask), (ask.token, now, lease)) for ask in asks]
        )

    def _places(self, ask: Ask) -> tuple[str, ...]:
        return tuple(self._key("places", scope.name) for scope in ask.scopes)

    # Looking -------------------------------------------------------------------------------------

    async def usage(self, names: Sequence[str]) -> list[int]:
        """How many places are taken in each of these scopes."""
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            for name in names:
                pipeline.zcard(self._key("places", name))
            found: list[int] = await pipeline.execute()
        return found

    async def full(self) -> list[str]:
        """The scopes that have refused a job within the last half minute."""
        async with self._store.reachable():
            client = self._store.client
            seconds, micros = await client.time()
            now = seconds * 1000 + micros / 1000 if self._clock is None else self._clock() * 1000
            found: Any = await client.zrangebyscore(self._full, now, "+inf")
        return sorted(one.decode() for one in found)

    async def why(self, job_id: str) -> tuple[str, str] | None:
        """What a job was last refused, and by which scope; None if it was not, or has started since."""
        async with self._store.reachable():
            found: Any = await self._store.client.get(self._key("waits", job_id))
        if found is None:
            return None
        what, _, scope = found.decode().partition(" ")
        return what, scope

    async def explained(self, status: JobStatus) -> JobStatus:
        """The same with what it waits for, where that is a limit or a pause."""
        if status.state not in (State.PENDING, State.SCHEDULED, State.RETRY):
            return status
        if (await self.rules()).get(status.queue, QueueRules()).paused:
            return replace(status, waits_for=f"queue {status.queue}, which is paused")
        why = await self.why(status.id)
        queue, full = f"queue:{status.queue}", await self.full()
        if why is None and queue in full:
            return replace(status, waits_for=f"{queue}, which is at its limit")
        if why is None:
            return status
        limit = {"rate": "rate", "in_flight": "limit of jobs in flight"}.get(why[0], why[0])
        return replace(status, waits_for=f"{why[1]}, which is at its {limit}")


def _refusal(reply: list[bytes]) -> Refusal | None:
    match reply:
        case [b"granted"]:
            return None
        case [b"refused", scope, what, wait, booked]:
            return Refusal(scope.decode(), what.decode(), int(wait) / 1000, bool(int(booked)))
    # A key that no script wrote: nobody may wait for ever because of it.
    return None
