"""Calls as jobs to submit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from .calls import encode_unchecked
from .declared import CatalogueEntry
from .errors import UnknownTask
from .ids import check_task_name
from .keying import Keyed, concurrency_key, uniqueness
from .submissions import Backend, Submission
from .tasks import Options, Signature, Task


class Declares(Protocol):
    """What drafts need of an app."""

    carry: Callable[[], dict[str, str]]

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """All tasks by name."""

    def queue_of(self, task: Task[..., Any]) -> str:
        """The queue on which a task's jobs run."""

    def backend(self) -> Backend:
        """What it sends through."""


class Drafter:
    """Drafts the calls of one submission: what workers have published of a task is asked for once."""

    def __init__(self, app: Declares) -> None:
        self._app = app
        self._published: dict[str, CatalogueEntry | None] = {}

    async def draft(self, call: Signature[Any]) -> Submission:
        """The call as a job. Raises UnknownTask, and what Task.send raises for arguments."""
        task = self._app.tasks.get(call.task)
        entry = None if task is not None else await self._entry(call.task)
        queue, headers = await self.queue_for(call), self._app.carry()
        return _drafted(call, task, entry, queue, headers)

    async def queue_for(self, call: Signature[Any]) -> str:
        """The queue of a call. Raises UnknownTask."""
        if call.chosen.queue is not None:
            return call.chosen.queue
        if (task := self._app.tasks.get(call.task)) is not None:
            return self._app.queue_of(task)
        if (entry := await self._entry(call.task)) is not None:
            return entry.queue
        known = ", ".join(sorted(self._app.tasks)) or "none"
        raise UnknownTask(task=call.task, known=known)

    async def _entry(self, task: str) -> CatalogueEntry | None:
        if check_task_name(task) not in self._published:
            self._published[task] = await self._app.backend().find_task(task)
        return self._published[task]


def _drafted(
    signature: Signature[Any],
    task: Task[..., Any] | None,
    entry: CatalogueEntry | None,
    queue: str,
    headers: dict[str, str],
) -> Submission:
    """The call as a job for `queue`; its arguments are checked where the task is known. `entry`: what
    workers have published of one that is not."""
    options, arguments = signature.chosen, signature.kwargs
    priority, keyed = options.priority, None
    if task is not None:
        call = task.schema.bind(signature.args, signature.kwargs)
        body, arguments = task.schema.encode(call), call.arguments
        keyed = Keyed.of(task)
        priority = task.settings.priority if priority is None else priority
    else:
        body = encode_unchecked(signature.args, signature.kwargs, signature.task)
    if entry is not None:
        keyed = Keyed.published(entry)
        priority = entry.priority if priority is None else priority
        arguments = {**dict(zip(keyed.defaults, signature.args, strict=False)), **arguments}
    return Submission(
        signature.task,
        queue,
        body,
        countdown=float(options.countdown or 0),
        eta=None if options.eta is None else options.eta.timestamp(),
        job_id=options.id,
        key=options.idempotency_key,
        concurrency_key=concurrency_key(keyed, options, arguments),
        priority=priority,
        **uniqueness(keyed, arguments),
        **_expiry(options),
        headers=headers,
    )


def _expiry(options: Options) -> dict[str, Any]:
    expires = options.expires
    if isinstance(expires, datetime):
        return {"expires_at": expires.timestamp()}
    return {} if expires is None else {"expires": float(expires)}
