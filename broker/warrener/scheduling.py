"""Between a call in Python and a schedule in the store. What is scheduled is a Signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from .calls import encode_unchecked
from .errors import PayloadTooLarge, ScheduleError
from .schedules import Definition, Missed, Overlap
from .settings import Settings
from .tasks import Options, Signature, Task
from .timing import Cron, Every, Timing


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What app.schedule() was told."""

    name: str
    timing: Timing
    signature: Signature[Any]
    missed: Missed
    overlap: Overlap


def check(scheduled: Scheduled) -> Scheduled:
    """It, if it can be. Raises ScheduleError."""
    timing: object = scheduled.timing
    call: object = scheduled.signature
    if not isinstance(timing, (Cron, Every)):
        reason = f"{timing!r} does not say when it is due"
        raise ScheduleError(reason=reason, remedy="Use cron(…) or every(…)")
    if not isinstance(call, Signature):
        reason = f"{call!r} is no call of a task"
        raise ScheduleError(reason=reason, remedy="Use task.s(…)")
    _expires(scheduled.signature.chosen)
    Definition(
        scheduled.name,
        scheduled.timing,
        scheduled.signature.task,
        missed=scheduled.missed,
        overlap=scheduled.overlap,
    )
    return scheduled


def definition_of(
    scheduled: Scheduled, task: Task[..., Any] | None, settings: Settings
) -> Definition:
    """As the store keeps it, its arguments checked where the task is known. Raises InvalidArguments,
    PayloadTooLarge, ScheduleError."""
    call = scheduled.signature
    if task is None:
        body = encode_unchecked(call.args, call.kwargs, call.task)
    else:
        body = task.schema.encode(task.schema.bind(call.args, call.kwargs))
    if len(body) > settings.max_payload_bytes:
        limit = settings.max_payload_bytes
        raise PayloadTooLarge(task=call.task, size=len(body), limit=limit)
    return Definition(
        scheduled.name,
        scheduled.timing,
        call.task,
        **from_json(body),
        queue=call.chosen.queue,
        expires=_expires(call.chosen),
        missed=scheduled.missed,
        overlap=scheduled.overlap,
    )


def call_of(
    definition: Definition, task: Task[..., Any] | None, make: Callable[..., Signature[Any]]
) -> Signature[Any]:
    """The opposite: the call to submit. Raises InvalidArguments if the task takes others by now."""
    args, kwargs = tuple(definition.args), definition.kwargs
    if task is not None:
        args, kwargs = (), task.schema.bind_json(args, kwargs).arguments
    call = make(definition.task, *args, **kwargs)
    return call.options(queue=definition.queue, expires=definition.expires)


def _expires(chosen: Options) -> float | None:
    for name in ("id", "idempotency_key", "eta", "countdown", "priority", "concurrency_key"):
        if getattr(chosen, name) is not None:
            reason = f"its call has {name}=, which the job of a tick cannot have"
            raise ScheduleError(reason=reason, remedy=f"Leave {name}= out")
    if chosen.expires is None or isinstance(chosen.expires, (int, float)):
        return chosen.expires
    reason = "its call expires at a fixed time, after which no tick would run"
    raise ScheduleError(reason=reason, remedy="Give expires= in seconds")
