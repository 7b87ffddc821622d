"""Traces: what comes with a message is anybody's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from warrener import Job, Warrener, tracing
from warrener_workers.outcomes import Succeeded
from warrener_workers.running import Runtime, run_job

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_what_is_too_long_for_a_context_is_left_out_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Warrener()
    tracing.trace(app)

    @app.task(name="shop.task")
    async def carried() -> dict[str, str]:
        return app.carry()

    headers = {"traceparent": TRACE, "baggage": "ö" * 4097}
    job: Job[Any] = Job("job-1", None, task="shop.task", headers=headers)
    with ThreadPoolExecutor(1) as threads:
        outcome = await run_job(Runtime(app, None, threads), job, b"{}")
    assert isinstance(outcome, Succeeded), outcome
    assert orjson.loads(outcome.result)["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert "ö" not in caplog.text
