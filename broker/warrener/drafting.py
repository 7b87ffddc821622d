"""A call as a job to submit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .calls import encode_unchecked
from .keying import concurrency_key, uniqueness
from .submissions import Submission
from .tasks import Options, Signature, Task


def drafted(signature: Signature[Any], task: Task[..., Any] | None, queue: str) -> Submission:
    """The call as a job for `queue`; its arguments are checked where the task is known. Raises what
    Task.send raises for arguments."""
    options, arguments = signature.chosen, signature.kwargs
    if task is not None:
        call = task.schema.bind(signature.args, signature.kwargs)
        body, arguments = task.schema.encode(call), call.arguments
    else:
        body = encode_unchecked(signature.args, signature.kwargs, signature.task)
    return Submission(
        signature.task,
        queue,
        body,
        countdown=float(options.countdown or 0),
        eta=None if options.eta is None else options.eta.timestamp(),
        job_id=options.id,
        key=options.idempotency_key,
        concurrency_key=concurrency_key(task, options, arguments),
        priority=_priority(task, options),
        **uniqueness(task, arguments),
        **_expiry(options),
    )


def _priority(task: Task[..., Any] | None, options: Options) -> int | None:
    if options.priority is not None or task is None:
        return options.priority
    return task.settings.priority


def _expiry(options: Options) -> dict[str, Any]:
    expires = options.expires
    if isinstance(expires, datetime):
        return {"expires_at": expires.timestamp()}
    return {} if expires is None else {"expires": float(expires)}
