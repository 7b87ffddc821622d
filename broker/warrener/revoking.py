"""Revoking jobs: the record says that a job shall not run, or shall end; workers look there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

from . import transitions
from .errors import JobEnded, JobNotFound, StoreUnavailable
from .ids import is_job_id
from .messages import Message
from .presence import PresenceBoard
from .settings import Settings
from .store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a request to revoke. `waited`: the job waited, and is revoked; else it runs, and is
    asked to end. `workflow` names the part of a workflow that has ended by this, and that workers must
    hear of: its own message may come years later, or never."""

    waited: bool
    task: str = ""
    queue: str = ""
    workflow: str = ""


def warn_unheard(job_id: str, fault: object) -> None:
    """Log that the workflow of a revoked job could not be told of it."""
    log.warning("workflow of job %s hears of it when the job is due: %s", job_id, fault)


async def ask_revoke(
    store: Store, settings: Settings, job_id: str, now: float, reason: str, *, terminate: bool
) -> Asked:
    """Revoke a job that waits, or ask one that runs to end. With `terminate`, one
    whose worker is gone ends here: no message may be left that would tell another worker. Raises
    JobNotFound, JobEnded, StoreUnavailable."""
    if not is_job_id(job_id):
        raise JobNotFound(job_id=job_id)
    ask = partial(
        transitions.ask_revoke, job_id, now, reason, settings.dedupe_ttl, terminate=terminate
    )
    [[answer, *more]] = await store.apply([ask()])
    if answer == b"asked" and terminate:
        owner, token = (part.decode() for part in more)
        # Should it live all the same, its result is refused, as after any revocation.
        if await PresenceBoard(settings, store).of(owner) is None:
            [[answer, *more]] = await store.apply([ask(abandoned=token)])
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


async def revoke_unknown(
    store: Store, settings: Settings, job_id: str, now: float, reason: str
) -> None:
    """Have a job that the store does not know never run: it may have forgotten it, and the message still
    wait. The record is kept for `dedupe_ttl`. Raises StoreUnavailable."""
    message = Message(job_id, "", b"")
    await store.apply([transitions.revoke(message, now, reason, settings.dedupe_ttl)])
