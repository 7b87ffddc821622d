"""OpenTelemetry: one trace from whoever sends a job, through its wait and its run, to what it sends in
turn. The context travels in the message, as W3C's `traceparent`. An optional part (the extra `otel`), off
until an app asks for it: `tracing.trace(app)`. Where spans go is the user's own configuration of
OpenTelemetry."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from opentelemetry import propagate
from opentelemetry import trace as otel
from opentelemetry.trace import SpanKind, Status, StatusCode

from .app import Warrener
from .middleware import Next, RunCall
from .submissions import Submission

NANO = 1_000_000_000
LONGEST = 8_192
"""Bytes of a header that may be of a context: as many as W3C's Baggage asks everybody to pass on."""

_traced: WeakSet[Warrener] = WeakSet()


def trace(app: Warrener) -> None:
    """Trace what this app sends and runs. Call it once, where the app is made."""
    if app not in _traced:
        _traced.add(app)
        app.carry = _context
        app.add_middleware(send=_sent, run=_ran)


def _context() -> dict[str, str]:
    """The headers that carry the current context; none outside of a trace."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


async def _sent(submission: Submission, send: Next[Submission]) -> Any:
    tracer = otel.get_tracer("warrener")
    facts = {"messaging.destination.name": submission.queue, "warrener.task": submission.task}
    facts |= _SYSTEM
    with tracer.start_as_current_span(
        f"send {submission.task}", kind=SpanKind.PRODUCER, attributes=facts
    ) as span:
        job_id = await send(replace(submission, headers={**submission.headers, **_context()}))
        span.set_attribute("messaging.message.conversation_id", job_id)
        return job_id


async def _ran(call: RunCall, run: Next[RunCall]) -> Any:
    job, tracer, now = call.job, otel.get_tracer("warrener"), time.time()
    # OpenTelemetry refuses longer ones and logs each of them whole, at every run.
    usable = {name: it for name, it in job.headers.items() if len(it.encode()) <= LONGEST}
    parent = propagate.extract(usable)
    facts: dict[str, Any] = {
        **_SYSTEM,
        "messaging.destination.name": job.queue,
        "messaging.message.conversation_id": job.id,
        "warrener.task": job.task,
        "warrener.attempt": job.attempt,
        "warrener.generation": job.generation,
    }
    since = job.due or job.created
    if 0 < since < now:
        # From when it was submitted, or was due, until now: by the clocks of two machines.
        waited = tracer.start_span(
            f"wait {job.task}", parent, attributes=facts, start_time=int(since * NANO)
        )
        waited.end(int(now * NANO))
    with tracer.start_as_current_span(
        f"run {job.task}", parent, kind=SpanKind.CONSUMER, attributes=facts
    ) as span:
        try:
            return await run(call)
        except BaseException as error:
            # By its kind alone, as well as OpenTelemetry's own event of it.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


_SYSTEM = {"messaging.system": "rabbitmq"}
