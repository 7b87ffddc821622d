"""Running one function as a job, as a child process would."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from warrener import Job, Warrener
from warrener_workers.outcomes import Failed, Outcome, Succeeded
from warrener_workers.running import Runtime, run_job

NAME = "shop.task"
JOB: Job[Any] = Job("job-1", "resources", task=NAME, attempt=2)


async def ran(
    function: Any,
    *args: Any,
    body: bytes | None = None,
    app: Warrener | None = None,
    soft_limits: bool = True,
    **settings: Any,
) -> Outcome:
    """The outcome of a job of this function."""
    app = app or Warrener()
    app.task(**{"name": NAME, **settings})(function)
    given = orjson.dumps({"args": args}) if body is None else body
    with ThreadPoolExecutor(2) as threads:
        return await run_job(Runtime(app, JOB.resources, threads, soft_limits), JOB, given)


async def succeeded(function: Any, *args: Any, **settings: Any) -> Any:
    """The JSON value of its result."""
    outcome = await ran(function, *args, **settings)
    assert isinstance(outcome, Succeeded), outcome
    return orjson.loads(outcome.result)


async def failed(function: Any, *args: Any, **settings: Any) -> Failed:
    """Its failure, which the parent process must be able to hear of."""
    outcome = await ran(function, *args, **settings)
    assert isinstance(outcome, Failed), outcome
    assert orjson.dumps({"token": "t", "failed": outcome})
    assert outcome.error.to_json()
    return outcome
