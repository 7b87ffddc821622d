"""Running one job: arguments in, function called, outcome out. Used by the child and by the test double.

Only here are exceptions looked at: this is the process that has their classes.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import math
import sys
import traceback
import types
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from warrener import Job, RunCall, Task, Warrener
from warrener.calls import Call, decode_body
from warrener.dead_letters import LONGEST_FRAME
from warrener.errors import InvalidArguments, RetryLater, WarrenerError
from warrener.imports import users_frame, users_traceback
from warrener.loading import load_app
from warrener.middleware import compose
from warrener.records import JobError

from . import soft_limits
from .outcomes import Failed, Outcome, Succeeded
from .soft_limits import in_thread, softly_limited

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 2_000
LONGEST_TRACEBACK = 12_000
"""Characters kept of an error: it travels in the dead letter's headers, which must fit one frame."""

current_job: contextvars.ContextVar[Job[Any] | None] = contextvars.ContextVar("job", default=None)
"""The job that runs here, for log lines."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What running a job needs: the app, what its lifespan gave, and threads for plain functions."""

    app: Warrener
    resources: Any
    threads: Executor
    soft_limits: bool = True


def load_for_work(path: str) -> Warrener:
    """The app at `package.module:name`, with all its tasks imported; what broke in its files goes to
    stderr. Raises what load_app raises."""
    try:
        app = load_app(path)
        app.tasks  # noqa: B018 — imports what the app includes
    except WarrenerError as error:
        sys.stderr.write(users_traceback(error))
        raise
    return app


async def run_job(runtime: Runtime, job: Job[Any], body: bytes) -> Outcome:
    """Run one job to its outcome. Raises nothing but CancelledError, when the process is ending."""
    try:
        return await _run(runtime, job, body)
    except Exception as error:  # an exception that cannot even be asked what it is
        text = f"{type(error).__name__} while an outcome was made of the run: {_text_of(error)}"
        log.exception("job %s: no outcome", job.id)
        return Failed(JobError("NoOutcome", text, "", "no_outcome"))


async def _run(runtime: Runtime, job: Job[Any], body: bytes) -> Outcome:
    task = runtime.app.tasks.get(job.task)
    if task is None:
        error = JobError("UnknownTask", f"no task is called {job.task!r}", "", "unknown_task")
        return Failed(error, misfit=True)
    call = _bound(task, body)
    if isinstance(call, Failed):
        return call
    return await _called(runtime, task, job, call)


def _bound(task: Task[..., Any], body: bytes) -> Call | Failed:
    try:
        return task.schema.bind_json(*decode_body(body))
    except InvalidArguments as error:
        details = JobError("InvalidArguments", _text_of(error), "", "invalid_arguments")
        return Failed(details, misfit=True)
    except ValueError as error:
        return Failed(JobError("ValueError", _text_of(error), "", "malformed"))
    except Exception as error:  # a validator of the user's own
        return _failed(task, error)


async def _called(runtime: Runtime, task: Task[..., Any], job: Job[Any], call: Call) -> Outcome:
    current_job.set(job)
    chain = compose(runtime.app.run_middleware, functools.partial(_call_function, task, runtime))
    try:
        if task.is_coroutine:
            job.revocation.cancels_me()
        result = await chain(RunCall(job, call.arguments))
    except asyncio.CancelledError as error:
        running = asyncio.current_task()
        if running and running.cancelling():
            if not job.revoked:
                raise
            running.uncancel()
        return _failed(task, error)
    except BaseException as error:  # SystemExit too: a task must not end its worker by raising
        return _failed(task, error)
    finally:
        job.revocation.spares_me()
    return _succeeded(task, result, runtime.app.settings.max_result_bytes)


async def _call_function(task: Task[..., Any], runtime: Runtime, call: RunCall) -> Any:
    arguments = dict(call.arguments)
    if task.schema.job_parameter:
        arguments[task.schema.job_parameter] = call.job
    seconds = task.settings.soft_time_limit if runtime.soft_limits else None
    if task.is_coroutine:
        coroutine = task.function(**arguments)
        return await (coroutine if seconds is None else softly_limited(coroutine, seconds))
    function = functools.partial(task.function, **arguments)
    return await in_thread(runtime.threads, function, seconds)


def _succeeded(task: Task[..., Any], result: Any, limit: int) -> Outcome:
    try:
        text = task.schema.encode_result(result)
    except (ValueError, TypeError) as error:
        message = f"what {task.name} returned does not fit its return type: {_text_of(error)}"
        return Failed(JobError("InvalidResult", message, "", "invalid_result"))
    except Exception as error:  # a validator of the user's own
        return _failed(task, error)
    if len(text) > limit:
        message = f"the result takes {len(text)} bytes, more than the {limit} allowed: store it \
elsewhere and return a reference, or raise WARRENER_MAX_RESULT_BYTES"
        return Failed(JobError("ResultTooLarge", message, "", "result_too_large"))
    return Succeeded(text)


def _failed(task: Task[..., Any], error: BaseException) -> Failed:
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    lines = traceback.format_exception(kind, error, _users_part(error.__traceback__))
    text = _sayable("".join(lines))[-LONGEST_TRACEBACK:]
    package = task.function.__module__.partition(".")[0]
    frame = _sayable(users_frame(error.__traceback__, package))[:LONGEST_FRAME]
    details = JobError(name, _text_of(error), text, frame=frame)
    return Failed(details, task.settings.retry.covers(error), _asked_delay(error))


def _asked_delay(error: BaseException) -> float | None:
    """The seconds of a RetryLater; None, and so the policy's own, for what is no number."""
    if not isinstance(error, RetryLater):
        return None
    try:
        delay = float(error.delay)
    except (TypeError, ValueError, OverflowError):
        return None
    return delay if math.isfinite(delay) else None


_OURS = (__file__, soft_limits.__file__)


def _users_part(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback without the frames that lead to the task, which say nothing to its author."""
    outer = trace
    while trace is not None and trace.tb_frame.f_code.co_filename in _OURS:
        trace = trace.tb_next
    return trace or outer


def _text_of(error: BaseException) -> str:
    try:
        text = _sayable(str(error))
    except Exception:
        text = "(its text cannot be shown)"
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _sayable(text: str) -> str:
    """Text that UTF-8 can carry: the name of a file may hold bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode()
