"""Schedules in the store: what is submitted when, and how far that has come. All keys share a hash tag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import orjson
from pydantic_core import from_json, to_json

from .errors import ScheduleError, ScheduleExists, ScheduleInCode, ScheduleNotFound
from .fields import known
from .ids import derived_id
from .settings import Settings
from .store import Call, Store
from .timing import Timing, timing_of

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
MOST_MISSED = 1000
HEAL = "Define it anew (`warrener schedules change`), or remove it (`warrener schedules remove`)"

Missed = Literal["skip", "once"] | int
"""What becomes of ticks that beat meets more than a minute late: none runs, the last one runs, or the last
so many run."""
Overlap = Literal["allow", "skip", "queue"]
"""What becomes of a tick whose predecessor's job has not ended: it runs beside it, it is skipped, or the
latest such tick waits for it."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One schedule as the store keeps it: when, what and how. `args` and `kwargs` are JSON values."""

    name: str
    timing: Timing
    task: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    expires: float | None = None
    """Seconds after the submission of a tick, from which on its job does not begin."""
    missed: Missed = "once"
    overlap: Overlap = "allow"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            reason = f"{self.name!r} is no name of a schedule"
            raise ScheduleError(reason=reason, remedy="Use 1 to 128 letters, digits and . _ -")
        check_policies(self.missed, self.overlap)

    def to_json(self) -> bytes:
        """As the store keeps it."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return to_json({**facts, "timing": self.timing.to_json()})

    @classmethod
    def from_json(cls, text: bytes) -> Definition:
        """The opposite of to_json. Raises ScheduleError."""
        return _definition(text)


@lru_cache(maxsize=4096)
def _definition(text: bytes) -> Definition:
    # Read once, not at each look of beat.
    try:
        facts = known(Definition, from_json(text))
        return Definition(**{**facts, "timing": timing_of(facts["timing"])})
    except ScheduleError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"the store's definition of it is none ({type(error).__name__}: {error})"
        raise ScheduleError(reason=reason, remedy=HEAL) from error


@dataclass(frozen=True, slots=True)
class Schedule:
    """A definition, and how far it has come. Times are Unix seconds."""

    definition: Definition
    in_code: bool
    paused: bool
    last: float
    """Ticks up to here are done with, whether they ran or not."""
    fired: int | None
    """The last tick that was submitted, and the id of its job."""
    job_id: str | None
    held: int | None
    """The tick that waits for its predecessor's end."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A schedule that the store has, and this version or machine cannot read: it asks for a time zone that
    is not here, say, or was written by a newer one. Beat leaves it out."""

    name: str
    reason: str


def check_policies(missed: object, overlap: object) -> None:
    """Raises ScheduleError."""
    counts = isinstance(missed, int) and not isinstance(missed, bool) and 1 <= missed <= MOST_MISSED
    if missed not in ("skip", "once") and not counts:
        remedy = f"Use skip, once, or how many to run, from 1 to {MOST_MISSED}"
        raise ScheduleError(reason=f"missed={missed!r} is no policy", remedy=remedy)
    if overlap not in ("allow", "skip", "queue"):
        remedy = "Use allow, skip or queue"
        raise ScheduleError(reason=f"overlap={overlap!r} is no policy", remedy=remedy)


def tick_id(namespace: str, name: str, due: int) -> str:
    """The one job of this tick, whichever beat submits it and how often."""
    return derived_id("tick", namespace, name, str(due))


class ScheduleBook:
    """Reads and writes schedules. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._prefix = f"{settings.namespace}:{{beat}}"
        self.lease = f"{self._prefix}:lease"
        self._names = f"{self._prefix}:names"

    def _key(self, name: str) -> str:
        return f"{self._prefix}:schedule:{name}"

    async def all(self) -> list[Schedule]:
        """All schedules that can be read, by name."""
        return (await self.everything())[0]

    async def everything(self) -> tuple[list[Schedule], list[Unreadable]]:
        """All schedules, by name, and those that cannot be read."""
        async with self._store.reachable():
            members: Any = await self._store.client.smembers(self._names)
            names = sorted(member.decode() for member in members)
            pipeline = self._store.client.pipeline(transaction=False)
            for name in names:
                pipeline.hgetall(self._key(name))
            records = await pipeline.execute()
        schedules, unreadable = [], []
        for name, record in zip(names, records, strict=True):
            try:
                schedule = _read(record)
            except ScheduleError as error:
                unreadable.append(Unreadable(name, str(error)))
            else:
                schedules += [schedule] if schedule is not None else []
        return schedules, unreadable

    async def find(self, name: str) -> Schedule:
        """One of them. Raises ScheduleNotFound, and ScheduleError for one that cannot be read."""
        async with self._store.reachable():
            record: Any = await self._store.client.hgetall(self._key(name))
        schedule = _read(record)
        if schedule is None:
            raise ScheduleNotFound(schedule=name)
        return schedule

    async def add(self, definition: Definition, now: float) -> None:
        """Make one that is not there yet. Raises ScheduleExists."""
        await self._define(definition, now, "add")

    async def change(self, definition: Definition, now: float) -> None:
        """Define one anew. Raises ScheduleNotFound, ScheduleInCode."""
        await self._define(definition, now, "change")

    async def adopt(self, definition: Definition, now: float) -> None:
        """Define one that is declared in code, which wins over one of that name made at run time."""
        await self._define(definition, now, "code")

    async def _define(self, definition: Definition, now: float, how: str) -> None:
        timing = orjson.dumps(definition.timing.to_json())
        name = definition.name
        arguments = (name, definition.to_json(), timing, now, how)
        await self._ask(name, "beat/define", (self._key(name), self._names), arguments)

    async def remove(self, name: str, *, in_code: bool = False) -> None:
        """Forget one; of those in code only beat itself does. Raises ScheduleNotFound, ScheduleInCode."""
        keys = (self._key(name), self._names)
        await self._ask(name, "beat/remove", keys, (name, "code" if in_code else ""))

    async def pause(self, name: str, now: float, *, paused: bool) -> None:
        """Pause or resume one; ticks of the time between are not made up for. Raises ScheduleNotFound."""
        await self._ask(name, "beat/pause", (self._key(name),), (int(paused), now))

    async def _ask(
        self, name: str, script: str, keys: tuple[str, ...], arguments: tuple[Any, ...]
    ) -> None:
        [[answer, *_]] = await self._store.call([Call(script, keys, arguments)])
        match answer:
            case b"exists":
                raise ScheduleExists(schedule=name)
            case b"in code":
                raise ScheduleInCode(schedule=name)
            case b"unknown":
                raise ScheduleNotFound(schedule=name)

    # What beat does ------------------------------------------------------------------------------

    async def lead(self, token: str, who: str, lifetime: float) -> str:
        """Take or keep the lease. Empty if it is ours, else who has it."""
        call = Call("beat/lead", (self.lease,), (token, who, round(lifetime * 1000)))
        [[answer, *other]] = await self._store.call([call])
        return "" if answer == b"lead" else other[0].decode()

    async def resign(self, token: str) -> None:
        """Give the lease back."""
        await self._store.call([Call("beat/resign", (self.lease,), (token,))])

    async def leader(self) -> str | None:
        """Which beat leads, as host and process; None if none does."""
        async with self._store.reachable():
            who: Any = await self._store.client.hget(self.lease, "who")
        return None if who is None else who.decode()

    async def record(
        self, token: str, name: str, last: int, *, fired: int | None, job_id: str, held: int | None
    ) -> bool:
        """Ticks up to `last` are done with; `fired` was submitted, `held` waits. False if another beat
        leads by now: what was submitted has its id, and runs once."""
        keys = (self._key(name), self.lease)
        arguments = (token, last, fired or "", job_id, held or "")
        [[answer, *_]] = await self._store.call([Call("beat/record", keys, arguments)])
        return answer != b"superseded"


def _read(record: Mapping[bytes, bytes]) -> Schedule | None:
    """One record, None if it is empty. Raises ScheduleError."""
    if b"definition" not in record:
        return None
    definition = Definition.from_json(record[b"definition"])
    try:
        return Schedule(
            definition=definition,
            in_code=record.get(b"source") == b"code",
            paused=record.get(b"paused") == b"1",
            last=float(record[b"last"]),
            fired=_number(record, b"fired"),
            job_id=record[b"job"].decode() if record.get(b"job") else None,
            held=_number(record, b"held"),
        )
    except (ValueError, KeyError) as error:
        reason = f"what the store says of it is none ({type(error).__name__}: {error})"
        raise ScheduleError(reason=reason, remedy=HEAL) from error


def _number(record: Mapping[bytes, bytes], name: bytes) -> int | None:
    return int(record[name]) if record.get(name) else None
