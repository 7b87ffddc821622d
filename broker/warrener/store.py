"""The status store: job records in Redis, moved by scripts, many in one round trip."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, Protocol

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from .batches import apart, batched, for_many, many
from .errors import StoreUnavailable
from .ids import is_job_id
from .records import JobStatus, parse_status
from .settings import Settings
from .transitions import Reply, Transition

log = logging.getLogger(__name__)

Client = redis.asyncio.Redis


def _read_scripts() -> dict[str, str]:
    """The scripts by name, each behind what those of its folder share. Those of the job's record are called
    by their file's name, those of a folder by `folder/name`."""
    top = resources.files(__package__).joinpath("scripts")
    scripts = _scripts_in(top, "")
    for folder in top.iterdir():
        if folder.is_dir():
            scripts |= _scripts_in(folder, f"{folder.name}/")
    return scripts


def _scripts_in(folder: Traversable, prefix: str) -> dict[str, str]:
    texts = {
        file.name.removesuffix(".lua"): file.read_text()
        for file in folder.iterdir()
        if file.name.endswith(".lua")
    }
    shared = texts.pop("_shared", "")
    scripts = {prefix + name: shared + text for name, text in texts.items()}
    # Moves of job records come in crowds, others one at a time.
    return scripts if prefix else scripts | {many(n): for_many(t) for n, t in scripts.items()}


_SCRIPTS = _read_scripts()
_HASHES = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in _SCRIPTS.items()}  # noqa: S324

_SPOILT = re.compile(r"WRONGTYPE |(ERR )?user_script:\d+: ")
"""In an error that comes of one record alone: no hash, or with fields that no script wrote."""


class Call(NamedTuple):
    """A call of one script, which answers the same when it is called twice."""

    script: str
    keys: tuple[str, ...]
    arguments: tuple[str | bytes | int | float, ...] = ()


Command = tuple[str | bytes | int | float, ...]
"""A command of Redis, word by word."""


class Beside(Protocol):
    """Something that is kept beside the records, and told of each move. It never holds a move up, nor
    fails it; what it misses in a crash can be made again from the records."""

    def along(self, moves: Sequence[Transition]) -> list[Command]:
        """What goes to Redis in the round trip of these moves, behind them."""

    def after(self, moves: Sequence[Transition], replies: Sequence[Reply]) -> list[Command]:
        """What goes there once it is known what came of them."""


class Keys:
    """The names of a namespace's keys. A job's keys share a hash tag, so that a Redis Cluster would keep
    them in one slot; the client is none of a Cluster yet."""

    def __init__(self, namespace: str) -> None:
        self.prefix = namespace

    def job(self, job_id: str) -> str:
        return f"{self.prefix}:job:{{{job_id}}}"

    def result(self, job_id: str) -> str:
        return f"{self.prefix}:result:{{{job_id}}}"

    @property
    def writable(self) -> str:
        """What is written only to see whether Redis takes it."""
        return f"{self.prefix}:writable"

    def ended(self, job_id: str) -> str:
        """The channel that announces a job's end."""
        return f"{self.endings}{job_id}"

    @property
    def endings(self) -> str:
        """What the names of these channels begin with."""
        return f"{self.prefix}:ended:"


class Store:
    """Job records. Every method raises StoreUnavailable while Redis cannot serve."""

    def __init__(self, settings: Settings, client: Client, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._beside: tuple[Beside, ...] = ()
        self.client = client
        self.patience = 3 * settings.connect_timeout
        self.keys = Keys(settings.namespace)

    def attach(self, beside: Beside) -> None:
        """Tell this of each move from now on."""
        self._beside += (beside,)

    async def apply(self, transitions: Sequence[Transition]) -> list[Reply]:
        """Make these moves in one round trip; one answer each, in order. Each is atomic by itself. A
        record that the scripts cannot work with answers broken, and the reason."""
        along = [command for one in self._beside for command in one.along(transitions)]
        replies = await self.call([self.call_of(move) for move in transitions], along)
        if after := [c for one in self._beside for c in one.after(transitions, replies)]:
            with suppress(StoreUnavailable):
                await self.send(after)
        return replies

    async def call(self, calls: Sequence[Call], along: Sequence[Command] = ()) -> list[Reply]:
        """Call these scripts in one round trip; one answer each, in order, as apply() does. What goes along
        with them is not answered, nor does it fail them."""
        async with self.reachable():
            replies = await self._send(calls, along)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # A restarted or flushed Redis has forgotten the scripts. Those that ran are asked
                # again as well: with the same token they answer the same.
                for text in _SCRIPTS.values():
                    await self.client.script_load(text)
                replies = await self._send(calls)
            return [_answer(reply) for reply in replies]

    def call_of(self, move: Transition) -> Call:
        """The call that makes this move."""
        keys = [self.keys.job(move.job_id)]
        if move.script == "succeed":
            keys.append(self.keys.result(move.job_id))
        channels = (self.keys.endings,) if move.announces else ()
        return Call(move.script, tuple(keys), (*move.arguments, *channels))

    async def _send(self, calls: Sequence[Call], along: Sequence[Command] = ()) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        batches = list(batched(calls))
        for batch in batches:
            pipeline.execute_command("EVALSHA", _HASHES[batch.script], *batch.words)
        for command in along:
            pipeline.execute_command(*command)
        replies = await pipeline.execute(raise_on_error=False)
        return [
            one
            for batch, reply in zip(batches, replies, strict=False)
            for one in apart(batch, reply)
        ]

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Send these commands in one round trip; one answer each, or the error that it got."""
        async with self.reachable():
            pipeline = self.client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute(raise_on_error=False)

    async def statuses(self, job_ids: Sequence[str]) -> list[JobStatus | None]:
        """The records of these jobs, in order; None for those that are not known."""
        async with self.reachable():
            pipeline = self.client.pipeline(transaction=False)
            for job_id in job_ids:
                pipeline.hgetall(self.keys.job(job_id))
                pipeline.get(self.keys.result(job_id))
            replies = await pipeline.execute()
        now, ttl = self._clock(), self._settings.result_ttl
        pairs = zip(job_ids, replies[::2], replies[1::2], strict=True)
        return [parse_status(job_id, record, result, now, ttl) for job_id, record, result in pairs]

    async def status(self, job_id: str) -> JobStatus | None:
        """The record of one job, or None if it is not known."""
        # Whatever text somebody asks for: not every one can be a key.
        return (await self.statuses([job_id]))[0] if is_job_id(job_id) else None

    async def revocations(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Of these runs, job ids with the tokens of their claims: those that somebody asked to end, with
        `cancel` or `terminate`."""
        async with self.reachable():
            pipeline = self.client.pipeline(transaction=False)
            for job_id in runs:
                pipeline.hmget(self.keys.job(job_id), "token", "revoke")
            replies = await pipeline.execute(raise_on_error=False)
        found = {}
        for (job_id, token), reply in zip(runs.items(), replies, strict=True):
            if isinstance(reply, list) and reply[0] == token.encode() and reply[1]:
                found[job_id] = reply[1].decode()
        return found

    async def ping(self) -> None:
        """Return if Redis answers."""
        async with self.reachable():
            await self.client.ping()

    async def check_writable(self) -> None:
        """Return if Redis takes writes: one that is full or a replica answers a ping all the same."""
        async with self.reachable():
            await self.client.set(self.keys.writable, b"1", ex=60)

    @asynccontextmanager
    async def reachable(self) -> AsyncIterator[None]:
        """As heard(), and given up after three times `connect_timeout`: so long take the three tries at a
        Redis that answers nothing. One whose host does not even refuse connections would take that for
        each try, since redis-py connects three times in it."""
        async with self.heard(), asyncio.timeout(self.patience):
            yield

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """Turn what a missing or failing Redis raises into StoreUnavailable. Its refusals count as well:
        full (OOM), READONLY, LOADING, MISCONF, NOREPLICAS and their like pass, and more are made up with
        each version."""
        try:
            yield
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        code = getattr(error, "status_code", None)
        reason: object = f"{code} {error}" if code else error
        if isinstance(error, TimeoutError) and not str(error):
            reason = f"it has not answered within {self.patience:g} s"
        return StoreUnavailable(url=self._settings.shown_redis_url, reason=reason)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self.client.aclose()


def _answer(reply: Any) -> Reply:
    if not isinstance(reply, Exception):
        answer: Reply = reply
        return answer
    if _SPOILT.match(str(reply)):
        log.error("a job's record cannot be used: %s", reply)
        return [b"broken", str(reply).encode()]
    raise reply
