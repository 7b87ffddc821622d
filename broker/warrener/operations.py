"""Operations: what takes long and is done once for whoever asked, such as a replay. The store has
what is wanted and how far it is; whichever process holds an operation's lease carries it out
(operating.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import from_json, to_json

from .errors import OperationNotFound
from .ids import new_id
from .selecting import Selection
from .settings import Settings
from .store import Call, Store

Kind = Literal["replay", "discard", "reindex"]
LEASE = 15.0
"""Seconds after which another process takes over from one that has died."""
KEPT = 604_800
"""Seconds for which an operation that has ended can be looked up."""
LISTED = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operation is to do."""

    kind: Kind
    queue: str
    """The work queue whose dead letters are meant."""
    by: str
    selection: Selection
    limit: int | None = None
    rate: float | None = None
    """Letters per second at most."""
    to_queue: str = ""
    resign: bool = False
    edit: dict[str, Any] | None = None
    """Arguments by name that take the place of those that a job has."""
    reason: str = ""
    """Of a discard."""
    became: str = "discarded"
    total: int | None = None
    """Letters that were meant when it was asked for, as far as the index knew."""

    @property
    def edited(self) -> list[str] | None:
        """The names of the arguments that it changes: what views show, as the values may be secret."""
        return None if self.edit is None else sorted(self.edit)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as it stands. Times are Unix seconds."""

    id: str
    wanted: Wanted
    state: Literal["waiting", "running", "done", "cancelled", "failed"]
    created: float
    started: float | None
    finished: float | None
    seen: int
    """Letters met by the pass that runs, or ran last."""
    done: int
    """Letters replayed, discarded, or listed anew."""
    already: int
    kept: int
    failed: int
    faults: list[str]
    """Why letters that were meant stay; the first 20."""
    note: str
    """What it waits for, or why it failed."""
    cancelling: bool
    reserved: frozenset[str] = field(default_factory=frozenset)
    """Letters that a pass that was killed may have replayed."""
    counted: frozenset[str] = field(default_factory=frozenset)
    """Letters of `done` that a pass that was killed may not have acknowledged."""

    @property
    def has_ended(self) -> bool:
        """True once nothing more will happen."""
        return self.state in ("done", "cancelled", "failed")


class Operations:
    """Reads and moves operations. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._prefix = settings.namespace

    def _keys(self, operation_id: str) -> tuple[str, str]:
        key = f"{self._prefix}:operation:{{{operation_id}}}"
        return key, f"{key}:lease"

    @property
    def _open(self) -> str:
        return f"{self._prefix}:operations-open"

    @property
    def _all(self) -> str:
        return f"{self._prefix}:operations"

    async def create(self, wanted: Wanted, now: float, owner: str = "") -> str:
        """Ask for an operation; its id. An `owner` carries it out itself, from the start."""
        operation_id = new_id()
        key, lease = self._keys(operation_id)
        facts = {name: getattr(wanted, name) for name in Wanted.__slots__}
        text = to_json({**facts, "selection": wanted.selection.to_json()})
        async with self._store.reachable():
            pipeline = self._store.client.pipeline(transaction=False)
            if owner:
                pipeline.set(lease, owner, px=round(LEASE * 1000))
            fields: dict[Any, Any] = {"wanted": text, "state": "waiting", "created": now}
            pipeline.hset(key, mapping=fields)
            pipeline.sadd(self._open, operation_id)
            pipeline.zadd(self._all, {operation_id: now})
            pipeline.zremrangebyrank(self._all, 0, -LISTED - 1)
            await pipeline.execute()
        return operation_id

    async def find(self, operation_id: str) -> Operation:
        """One operation. Raises OperationNotFound."""
        async with self._store.reachable():
            found: Any = await self._store.client.hgetall(self._keys(operation_id)[0])
        if not found:
            raise OperationNotFound(operation_id=operation_id)
        return _parse(operation_id, found)

    async def newest(self, size: int = 100) -> list[Operation]:
        """The operations, the newest first; of those that have ended, those of the last week."""
        async with self._store.reachable():
            ids: Any = await self._store.client.zrevrange(self._all, 0, size - 1)
            pipeline = self._store.client.pipeline(transaction=False)
            for one in ids:
                pipeline.hgetall(self._keys(one.decode())[0])
            found = await pipeline.execute()
        pairs = zip(ids, found, strict=True)
        return [_parse(one.decode(), facts) for one, facts in pairs if facts]

    async def open(self) -> list[str]:
        """The operations that somebody must carry out, or does."""
        async with self._store.reachable():
            found: Any = await self._store.client.smembers(self._open)
        return sorted(one.decode() for one in found)

    async def close(self, operation_id: str) -> None:
        """It need not be carried out any longer."""
        async with self._store.reachable():
            await self._store.client.srem(self._open, operation_id)

    async def take(self, operation_id: str, owner: str) -> str:
        """Take the lease. Answers ok, held, ended or unknown."""
        return await self._call("take", operation_id, owner, round(LEASE * 1000))

    async def note(self, operation_id: str, owner: str, facts: Mapping[str, Any]) -> str:
        """Note how far it is, and keep the lease. Answers ok, cancel or lost."""
        return await self._call("note", operation_id, owner, round(LEASE * 1000), *_fields(facts))

    async def release(self, operation_id: str, owner: str, facts: Mapping[str, Any]) -> None:
        """Let go of the lease."""
        await self._call("release", operation_id, owner, *_fields(facts))

    async def finish(self, operation_id: str, owner: str, facts: Mapping[str, Any]) -> None:
        """It has ended, in the state that these facts say."""
        if await self._call("finish", operation_id, owner, KEPT, *_fields(facts)) == "ok":
            await self.close(operation_id)

    async def cancel(self, operation_id: str, now: float) -> str:
        """Have it end: between two groups of letters, if it is being carried out. Answers asked,
        cancelled or ended. Raises OperationNotFound."""
        answer = await self._call("cancel", operation_id, now, KEPT)
        if answer == "unknown":
            raise OperationNotFound(operation_id=operation_id)
        return answer

    async def _call(self, script: str, operation_id: str, *arguments: Any) -> str:
        call = Call(f"operations/{script}", self._keys(operation_id), arguments)
        [[answer, *_]] = await self._store.call([call])
        return answer.decode()


def _fields(facts: Mapping[str, Any]) -> list[str | bytes | int | float]:
    fields: list[str | bytes | int | float] = []
    for name, value in facts.items():
        fields += [name, to_json(value) if isinstance(value, list) else value]
    return fields


def _parse(operation_id: str, found: Mapping[bytes, bytes]) -> Operation:
    wanted = from_json(found[b"wanted"])
    selection = Selection.from_json(wanted.pop("selection"))
    started, finished = (found.get(name) for name in (b"started", b"finished"))
    counts = {
        name: int(found.get(name.encode(), 0))
        for name in ("seen", "done", "already", "kept", "failed")
    }
    state: Any = found[b"state"].decode()
    return Operation(
        id=operation_id,
        wanted=Wanted(selection=selection, **wanted),
        state=state,
        created=float(found[b"created"]),
        faults=from_json(found.get(b"faults", b"[]")),
        note=found.get(b"note", b"").decode(),
        cancelling=b"cancel" in found,
        reserved=frozenset(from_json(found.get(b"reserved", b"[]"))),
        counted=frozenset(from_json(found.get(b"counted", b"[]"))),
        started=float(started) if started else None,
        finished=float(finished) if finished else None,
        **counts,
    )
