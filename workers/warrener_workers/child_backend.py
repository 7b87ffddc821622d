"""How code inside a task reaches the world: sends go through the parent, reads straight to the store."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any, TypeVar

from warrener import errors
from warrener.catalogue import Catalogue
from warrener.declared import CatalogueEntry
from warrener.errors import WaitInsideJob, WarrenerError
from warrener.messages import NO_ARGUMENTS
from warrener.records import JobStatus
from warrener.redis_connections import open_client
from warrener.revoking import ask_revoke, warn_unheard
from warrener.settings import Settings
from warrener.store import Call, Store
from warrener.submissions import Submission
from warrener.transitions import Reply, Transition

from .frames import Frame, FrameLink, Kind

T = TypeVar("T")


class ChildBackend:
    """The Backend of an app inside a worker's child."""

    def __init__(self, settings: Settings, link: FrameLink) -> None:
        self._settings = settings
        self._link = link
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """Have the parent publish; returns on the broker's confirm."""
        number = next(self._numbers)
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._link.say(Kind.SEND, *pack(number, submissions))
        try:
            return [_read_answer(answer) for answer in await future]
        finally:
            del self._waiting[number]

    def answered(self, frame: Frame) -> None:
        """The parent's answer to a submit has come."""
        future = self._waiting.get(frame.header["n"])
        if future is not None and not future.done():
            future.set_result(frame.header["answers"])

    @cached_property
    def _store(self) -> Store:
        return Store(self._settings, open_client(self._settings), time.time)

    async def find_task(self, task: str) -> CatalogueEntry | None:
        """What workers have published of a task, or None."""
        return await Catalogue(self._settings, self._store).find(task)

    async def status(self, job_id: str) -> JobStatus | None:
        """The job's record, or None if it is not known."""
        return await self._store.status(job_id)

    async def revoke(self, job_id: str, reason: str, *, terminate: bool) -> bool:
        """Revoke a job, in the store alone: a run notices on its worker's next beat."""
        store, now = self._store, time.time()
        asked = await ask_revoke(store, self._settings, job_id, now, reason, terminate=terminate)
        if asked.workflow:
            task, queue, body = asked.task, asked.queue, NO_ARGUMENTS
            part = Submission(task, queue, body, job_id=job_id, workflow=asked.workflow)
            [answer] = await self.submit([part])
            if isinstance(answer, WarrenerError):
                warn_unheard(job_id, answer)
        return asked.waited

    async def call(self, calls: Sequence[Call]) -> list[Reply]:
        """See Store.call."""
        return await self._store.call(calls)

    async def apply(self, moves: Sequence[Transition]) -> list[Reply]:
        """See Store.apply."""
        return await self._store.apply(moves)

    async def look_for_revoked(self, job_ids: Sequence[str]) -> None:
        """Workers notice on their next beats."""

    async def until(
        self, look: Callable[[], Awaitable[T | None]], name: str, timeout: float | None
    ) -> T | None:
        """What `look` finds now. Raises WaitInsideJob if that is nothing."""
        if (found := await look()) is not None:
            return found
        raise WaitInsideJob(job_id=name)

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        """The record of a job that has ended. Raises WaitInsideJob for one that has not."""
        status = await self.status(job_id)
        if status is None or status.is_terminal:
            return status
        raise WaitInsideJob(job_id=job_id)

    async def close(self) -> None:
        """Close the connection to the store, if one was opened."""
        if "_store" in self.__dict__:
            await self._store.close()


_CARRIED = [one.name for one in fields(Submission) if one.name != "body"]


def pack(number: int, submissions: Sequence[Submission]) -> tuple[dict[str, Any], bytes]:
    """Submissions as a SEND frame's header and body."""
    jobs = [[*(getattr(s, name) for name in _CARRIED), len(s.body)] for s in submissions]
    return {"n": number, "jobs": jobs}, b"".join(s.body for s in submissions)


def unpack(frame: Frame) -> list[Submission]:
    """The opposite of pack."""
    submissions, at = [], 0
    for *facts, size in frame.header["jobs"]:
        body = frame.body[at : at + size]
        submissions.append(Submission(body=body, **dict(zip(_CARRIED, facts, strict=True))))
        at += size
    return submissions


def pack_answer(answer: str | WarrenerError) -> dict[str, Any]:
    """What became of one submission, for a SENT frame."""
    if isinstance(answer, str):
        return {"id": answer}
    facts = {name: _plain(value) for name, value in answer.facts.items()}
    return {"error": type(answer).__name__, "facts": facts}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _read_answer(answer: dict[str, Any]) -> str | WarrenerError:
    if "id" in answer:
        return str(answer["id"])
    kind = getattr(errors, answer["error"])
    error: WarrenerError = kind(**answer["facts"])
    return error
