"""OpenTelemetry: one trace from whoever sends a job, through its wait and its run, to what it sends in
turn. The context travels in the message, as W3C's `traceparent`. An optional part (the extra `otel`), off
until an app asks for it: `tracing.trace(app)`. Where spans go is the user's own configuration of
OpenTelemetry."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from opentelemetry import context, propagate
from opentelemetry import trace as otel
from opentelemetry.trace import SpanKind, Status, StatusCode

from .app import Warrener
from .middleware import Next, RunCall
from .submissions import Submission

NANO = 1_000_000_000
LONGEST = 8_192
"""Bytes of a header that may be of a context: as many as W3C's Baggage asks everybody to pass on."""
_KEY, _VALUE = r"[!#-'*+.0-9A-Z^-z|~-]+", r"[!#-+\--:<-\[\]-~]*"
_PAIR = rf"[ \t]*{_KEY}[ \t]*=[ \t]*{_VALUE}[ \t]*"
_MEMBERS = {
    "tracestate": r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]",
    "baggage": rf"{_PAIR}(?:;(?:{_PAIR}|[ \t]*{_KEY}[ \t]*))*",
}
"""What a member of these lists looks like (Trace Context §3.3, Baggage §3.3)."""
_MOST = {"tracestate": 32, "baggage": 180}
"""Members of a list."""
_LONGEST_PARENT, _LONGEST_MEMBER = 512, 4_096

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
    parent = propagate.extract(readable(job.headers))
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
    token = context.attach(parent)  # a span alone would leave its baggage behind
    try:
        with tracer.start_as_current_span(
            f"run {job.task}", kind=SpanKind.CONSUMER, attributes=facts
        ) as span:
            try:
                return await run(call)
            except BaseException as error:
                # By its kind alone, as well as OpenTelemetry's own event of it.
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
    finally:
        context.detach(token)


def readable(headers: Mapping[str, str]) -> dict[str, str]:
    """These headers of a message without what is no context. OpenTelemetry leaves that out as well, and
    logs it with each run, some of it whole: anybody's text, at anybody's pace."""
    found = {name: text for name, text in headers.items() if len(text.encode()) <= LONGEST}
    if len(found.get("traceparent", "")) > _LONGEST_PARENT:
        del found["traceparent"]
    for name, form in _MEMBERS.items():
        members = [one.strip(" \t") for one in found.pop(name, "").split(",")]
        good = [one for one in members if len(one) <= _LONGEST_MEMBER and re.fullmatch(form, one)]
        if good:
            found[name] = ",".join(good[: _MOST[name]])
    return found


_SYSTEM = {"messaging.system": "rabbitmq"}
