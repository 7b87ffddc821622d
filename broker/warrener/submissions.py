"""What is submitted, and to whom: a Client in a producer, and others in a worker's child and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from . import ids
from .declared import CatalogueEntry
from .errors import ConfigurationError, WarrenerError
from .records import JobStatus


@dataclass(frozen=True, slots=True)
class Submission:
    """One job to submit, as it was asked for. `countdown` in seconds or `eta`, a Unix time, delay it;
    `key` is an idempotency key: the same key gives the same job. It begins no later than `expires` seconds
    from now, or than `expires_at`, a Unix time. Raises TaskNameError, JobIdError,
    IdempotencyKeyError."""

    task: str
    queue: str
    body: bytes
    countdown: float = 0.0
    eta: float | None = None
    job_id: str | None = None
    key: str | None = None
    expires: float | None = None
    expires_at: float | None = None
    concurrency_key: str | None = None
    unique: str | None = None
    """A key: of the task's jobs that have it only one waits or runs, for `unique_for` seconds at most. With
    `refuse_duplicate` another is an error, else it is that one."""
    unique_for: float = 0.0
    refuse_duplicate: bool = False
    priority: int | None = None
    workflow: str = ""
    """Which part of which workflow it is (see Message)."""
    headers: dict[str, str] = field(default_factory=dict)
    """What its message carries besides, such as the context of a trace: names that are none of the
    protocol's."""

    def __post_init__(self) -> None:
        ids.check_task_name(self.task)
        if self.job_id is not None:
            ids.check_job_id(self.job_id)
        if self.key is not None:
            ids.check_key(self.key)
        if self.key is not None and self.unique is not None:
            raise ConfigurationError(
                message=f"task {self.task!r} is unique, and takes no idempotency key: only one of the two "
                "can say whether a job is another"
            )

    def delay(self, now: float) -> float:
        """Seconds from `now` until the job is due; an eta in the past is due at once."""
        return self.countdown if self.eta is None else max(0.0, self.eta - now)

    def end(self, now: float) -> float | None:
        """The Unix time from which on it does not begin."""
        return self.expires_at if self.expires is None else now + self.expires

    @property
    def fingerprint(self) -> str:
        """The same for the same request, whenever it is made: hence the eta, not what is left of it."""
        facts: tuple[object, ...] = (self.task, self.queue, self.countdown, self.eta)
        if self.expires is not None or self.expires_at is not None:
            facts += (self.expires, self.expires_at)
        return sha256(repr(facts).encode() + self.body).hexdigest()


class Backend(Protocol):
    """What an app needs of the world. A Client is the one of producers; inside a worker's child and
    in tests, others take its place."""

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """The job's id, or what was wrong, for each submission in order."""

    async def find_task(self, task: str) -> CatalogueEntry | None:
        """What workers have published of a task, or None."""

    async def status(self, job_id: str) -> JobStatus | None:
        """The job's record, or None if it is not known."""

    async def revoke(self, job_id: str, reason: str, *, terminate: bool) -> bool:
        """Revoke a job that waits; False for one that runs, which is asked to end."""

    async def wait(self, job_id: str, timeout: float | None) -> JobStatus | None:
        """The job's record once it has ended, or after `timeout` seconds as it stands."""

    async def close(self) -> None:
        """Let go of what it holds."""


def job_id_of(submission: Submission, scope: str) -> str:
    """The id of a submission's job: given, derived from its key (per `scope`), or new."""
    if submission.job_id is not None:
        return submission.job_id
    if submission.key is not None:
        return ids.derived_id("key", scope, submission.key)
    return ids.new_id()
