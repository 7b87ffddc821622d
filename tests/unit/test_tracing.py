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


GOOD = "user=ada"
ODD = {
    "too long": {"baggage": "ö" * 4097},
    "no pair": {"baggage": f"{GOOD},no-pair"},
    "not ASCII": {"baggage": f"{GOOD},who=ö"},
    "no key": {"baggage": f"{GOOD},a b=c"},
    "no property": {"baggage": f"{GOOD},a=b;(=c"},
    "a member that is too long": {"baggage": f"{GOOD},a={'b' * 4096}"},
    "too many": {"baggage": ",".join([GOOD, *(f"k{n}=v" for n in range(200))])},
    "a parent that is too long": {"traceparent": TRACE * 20},
    "a parent that is none": {"traceparent": "00-\r\n"},
    "a state that is none": {"tracestate": "State=1"},
    "states, too many": {"tracestate": ",".join(f"k{n}=v" for n in range(40))},
    "states with a line's end": {"tracestate": "a=b\r\n"},
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_no_context_is_left_out_and_not_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Warrener()
    tracing.trace(app)

    @app.task(name="shop.task")
    async def carried() -> dict[str, str]:
        return app.carry()

    headers = {"traceparent": TRACE, **ODD[name]}
    job: Job[Any] = Job("job-1", None, task="shop.task", headers=headers)
    with ThreadPoolExecutor(1) as threads:
        outcome = await run_job(Runtime(app, None, threads), job, b"{}")
    assert isinstance(outcome, Succeeded), outcome
    found = orjson.loads(outcome.result)
    if "traceparent" not in ODD[name]:
        assert found["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert ("baggage" in found) is (GOOD in ODD[name].get("baggage", ""))
    assert caplog.text == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": TRACE, "tracestate": "vendor=a b,0t@sys=x/y"},
        {"baggage": "user=ada , plan = free;ttl=3; flag,empty="},
        {"x-of-others": "ö, or whatever"},
    ],
)
def test_what_is_one_stays(headers: dict[str, str]) -> None:
    kept = tracing.readable(headers)
    assert {name: text.replace(" ", "") for name, text in kept.items()} == {
        name: text.replace(" ", "") for name, text in headers.items()
    }
