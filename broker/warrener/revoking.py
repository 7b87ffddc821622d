"""Revoking jobs: the record says that a job shall not run, or shall end; workers look there."""

from __future__ import annotations

from dataclasses import dataclass

from . import transitions
from .errors import JobEnded, JobNotFound, StoreUnavailable
from .settings import Settings
from .store import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a request to revoke. `waited`: the job waited, and is revoked; else it runs, and is
    asked to end. `workflow` names the part of a workflow that has ended by this, and that workers must
    hear of: its own message may come years later, or never."""

    waited: bool
    task: str = ""
    queue: str = ""
    workflow: str = ""


async def ask_revoke(
    store: Store, settings: Settings, job_id: str, now: float, reason: str, *, terminate: bool
) -> Asked:
    """Revoke a job that waits, or ask one that runs to end. Raises JobNotFound, JobEnded,
    StoreUnavailable."""
    ttl = settings.dedupe_ttl
    move = transitions.ask_revoke(job_id, now, reason, ttl, terminate=terminate)
    [[answer, *more]] = await store.apply([move])
    match answer:
        case b"revoked":
            return Asked(True, *(word.decode() for word in more))
        case b"asked":
            return Asked(False)
        case b"ended":
            raise JobEnded(job_id=job_id, state=more[0].decode())
        case b"unknown":
            raise JobNotFound(job_id=job_id)
    reason = f"the record of job {job_id} cannot be used"
    raise StoreUnavailable(url=settings.shown_redis_url, reason=reason)
