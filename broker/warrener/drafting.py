"""A call as a job to submit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .calls import encode_unchecked
from .declared import CatalogueEntry
from .keying import Keyed, concurrency_key, uniqueness
from .submissions import Submission
from .tasks import Options, Signature, Task


def drafted(
    signature: Signature[Any],
    task: Task[..., Any] | None,
    entry: CatalogueEntry | None,
    queue: str,
) -> Submission:
    """The call as a job for `queue`; its arguments are checked where the task is known. `entry`: what
    workers have published of one that is not. Raises what Task.send raises for arguments."""
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
    )


def _expiry(options: Options) -> dict[str, Any]:
    expires = options.expires
    if isinstance(expires, datetime):
        return {"expires_at": expires.timestamp()}
    return {} if expires is None else {"expires": float(expires)}
