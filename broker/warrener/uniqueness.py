"""Unique jobs: none is enqueued while another of the same key waits or runs.

The store holds which job has a key, and nobody gives it back: whether that job still waits or runs, its own
record tells. A job is reserved in the store before it takes its key, as with an idempotency key, so that
a submission that was killed before its publish holds the key no longer than such a reservation lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from . import transitions
from .errors import ConfigurationError, DuplicateJob, StoreUnavailable
from .messages import Message
from .settings import Settings
from .states import State
from .store import Call, Store


@dataclass(frozen=True, slots=True)
class Unique:
    """Of jobs with the same arguments, or the same of those that `by` names, only one waits or runs.

    `expires` seconds after a submission the next one is accepted in any case. Until then it gets, with
    `on_duplicate` "existing", the job that is there, or with "error" DuplicateJob. Raises
    ConfigurationError.
    """

    by: tuple[str, ...] | None = None
    expires: float = 86_400.0
    on_duplicate: Literal["existing", "error"] = "existing"

    def __post_init__(self) -> None:
        if not 0 < self.expires <= 365 * 86_400:
            raise ConfigurationError(
                message=f"expires={self.expires} must be above 0 seconds, and at most a year"
            )
        if self.on_duplicate not in ("existing", "error"):
            raise ConfigurationError(
                message=f"on_duplicate={self.on_duplicate!r} must be 'existing' or 'error'"
            )
        if self.by is not None and (not self.by or not isinstance(self.by, tuple)):
            raise ConfigurationError(
                message=f"by={self.by!r} must be names of parameters: by=('a',)"
            )


@dataclass(frozen=True, slots=True)
class Standing:
    """What a submission is to do: publish as `job_id`, unless that job `exists`. With a `fingerprint` the
    reservation is its own."""

    job_id: str
    exists: bool
    fingerprint: str = ""


class UniqueJobs:
    """Who has which key."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    async def take(
        self, message: Message, queue: str, key: str, seconds: float, *, refuse: bool
    ) -> Standing:
        """Have this job, or find the one that has its key. Raises DuplicateJob if that is to `refuse` it,
        StoreUnavailable."""
        fingerprint, gone = f"unique:{key}", ""
        while True:
            holder, reserved = await self._try(message, queue, key, (fingerprint, seconds, gone))
            if holder == message.job_id:
                return Standing(holder, reserved == b"exists", fingerprint)
            await self._store.apply([transitions.unreserve(message.job_id, fingerprint)])
            state, unconfirmed = await self._look(holder)
            if state is None or State(state).is_terminal:
                gone = holder
                continue
            if refuse:
                raise DuplicateJob(task=message.task, job_id=holder)
            # One whose publish nobody has confirmed is published once more under its id, and runs once:
            # whoever gets a handle on it has seen it safe.
            return Standing(holder, not unconfirmed)

    async def _try(
        self, message: Message, queue: str, key: str, how: tuple[str, float, str]
    ) -> tuple[str, bytes]:
        """Who has the key now, and what the reservation answered. In this order: whoever has a key has
        a record as well."""
        fingerprint, seconds, gone = how
        reserve = transitions.reserve(
            message.job_id, fingerprint, message.task, queue, message.created
        )
        lock = f"{self._settings.namespace}:unique:{message.task}:{key}"
        milliseconds = max(1, round(seconds * 1000))
        [[reserved, *_], [answer, *holder]] = await self._store.call(
            [
                self._store.call_of(reserve),
                Call("unique/take", (lock,), (message.job_id, milliseconds, gone)),
            ]
        )
        if b"broken" in (reserved, answer):
            reason = f"what it holds of job {message.job_id} cannot be used"
            raise StoreUnavailable(url=self._settings.shown_redis_url, reason=reason)
        return (message.job_id if answer == b"taken" else holder[0].decode()), reserved

    async def _look(self, job_id: str) -> tuple[str | None, bool]:
        """The state of a job, and whether its publish is not confirmed."""
        async with self._store.reachable():
            found: Any = await self._store.client.hmget(
                self._store.keys.job(job_id), ["state", "unconfirmed"]
            )
        return (found[0].decode() if found[0] else None), found[1] is not None
