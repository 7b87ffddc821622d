"""A handle on a job that was submitted: its state, its result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from .errors import (
    JobFailed,
    JobNotFound,
    JobRevoked,
    ResultExpired,
    ResultTimeout,
)
from .records import JobStatus
from .states import State
from .submissions import Backend
from .sync import Portal

R = TypeVar("R")


class JobHandle(Generic[R]):
    """One job, by id. The names with _sync are for code without an event loop; on a running loop they
    raise SyncCallOnLoop."""

    def __init__(
        self,
        job_id: str,
        backend: Callable[[], Backend],
        portal: Portal,
        decode: Callable[[Any], R] | None = None,
    ) -> None:
        self.id = job_id
        self._backend = backend
        self._portal = portal
        self._decode = decode

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    async def status(self) -> JobStatus:
        """The job's record. Raises JobNotFound, StoreUnavailable."""
        status = await self._backend().status(self.id)
        if status is None:
            raise JobNotFound(job_id=self.id)
        return status

    async def result(self, timeout: float | None = None) -> R:
        """What the task returned, as the type its signature says, once it has ended; waits at most
        `timeout` seconds. Raises JobFailed, JobRevoked, ResultTimeout, ResultExpired, JobNotFound,
        StoreUnavailable, and WaitInsideJob inside a running job."""
        status = await self._backend().wait(self.id, timeout)
        if status is None:
            raise JobNotFound(job_id=self.id)
        if status.state is State.FAILURE:
            raise _failure(status)
        if status.state is State.REVOKED:
            raise JobRevoked(job_id=self.id, reason=status.reason or "no reason given")
        if status.state is not State.SUCCESS:
            raise ResultTimeout(job_id=self.id, seconds=timeout, state=status.state)
        if status.result_expired:
            raise ResultExpired(job_id=self.id)
        return self._decode(status.result) if self._decode else status.result

    async def revoke(self, *, terminate: bool = False, reason: str = "revoked") -> bool:
        """See that the job does not run: True if it was waiting and never will, False if it runs and was
        asked to end, which its record then tells. A running coroutine is cancelled at its next await; a
        plain function sees `job.revoked`, or with `terminate` loses its process. Raises JobNotFound,
        JobEnded, StoreUnavailable."""
        return await self._backend().revoke(self.id, reason, terminate=terminate)

    def revoke_sync(self, *, terminate: bool = False, reason: str = "revoked") -> bool:
        """revoke() for code without an event loop."""
        call = partial(self.revoke, terminate=terminate, reason=reason)
        return self._portal.run(call, "revoke_sync()")

    def status_sync(self) -> JobStatus:
        """status() for code without an event loop."""
        return self._portal.run(self.status, "status_sync()")

    def result_sync(self, timeout: float | None = None) -> R:
        """result() for code without an event loop."""
        return self._portal.run(lambda: self.result(timeout), "result_sync()")


def _failure(status: JobStatus) -> JobFailed:
    error = status.error
    return JobFailed(
        job_id=status.id,
        attempts=status.attempt,
        type=error.type if error else "unknown",
        message=error.message if error else "its record holds no error",
        traceback=error.traceback if error else "",
    )
