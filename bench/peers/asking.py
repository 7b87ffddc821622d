"""What the bench asks the script of each side, answered as one line of JSON.

`submit COUNT SECONDS`: the keys of the results. `send COUNT`: jobs a second by each way to send, each
confirmed. `latency COUNT`: milliseconds from submission to the result, one job after another.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

IN_FLIGHT = 200
WARM_UP = 20


def answer(send: Callable[[float], str], wait: Callable[[], Any]) -> None:
    """For plain functions: `send` submits a job of so many seconds and returns its result's key, `wait`
    submits one and waits for its result."""
    command, count = sys.argv[1], int(sys.argv[2])
    said: Any
    if command == "submit":
        seconds = float(sys.argv[3])
        said = [send(seconds) for _ in range(count)]
    elif command == "send":
        send(0)
        few = max(1, count // 10)
        began = time.perf_counter()
        for _ in range(few):
            send(0)
        said = {"one by one": few / (time.perf_counter() - began)}
    else:
        said = []
        for _ in range(count + WARM_UP):
            began = time.perf_counter()
            wait()
            said.append(1000 * (time.perf_counter() - began))
        said = said[WARM_UP:]
    print(json.dumps(said))


def answer_async(
    opened: Callable[[], AbstractAsyncContextManager[Any]],
    send: Callable[[float], Awaitable[str]],
    wait: Callable[[], Awaitable[Any]] | None = None,
    many: Callable[[int, float], Awaitable[list[str]]] | None = None,
) -> None:
    """For coroutines, between start and end of `opened`. `many` submits so many at once, if that is a
    thing."""

    async def main() -> Any:
        command, count = sys.argv[1], int(sys.argv[2])
        async with opened():
            if command == "submit":
                seconds = float(sys.argv[3])
                if many is not None:
                    return await many(count, seconds)
                return [await send(seconds) for _ in range(count)]
            if command == "send":
                return await _rates(count, send, many)
            assert wait is not None
            return await _waits(count, wait)

    import uvloop

    print(json.dumps(uvloop.run(main())))


async def _waits(count: int, wait: Callable[[], Awaitable[Any]]) -> list[float]:
    found = []
    for _ in range(count + WARM_UP):
        began = time.perf_counter()
        await wait()
        found.append(1000 * (time.perf_counter() - began))
    return found[WARM_UP:]


async def _rates(
    count: int,
    send: Callable[[float], Awaitable[str]],
    many: Callable[[int, float], Awaitable[list[str]]] | None,
) -> dict[str, float]:
    async def after_another(times: int) -> None:
        for _ in range(times):
            await send(0)

    async def timed(jobs: int, work: Awaitable[Any]) -> float:
        began = time.perf_counter()
        await work
        return jobs / (time.perf_counter() - began)

    await send(0)
    few, each = max(1, count // 10), max(1, count // IN_FLIGHT)
    found = {"one by one": await timed(few, after_another(few))}
    crowd = asyncio.gather(*(after_another(each) for _ in range(IN_FLIGHT)))
    found[f"{IN_FLIGHT} in flight"] = await timed(each * IN_FLIGHT, crowd)
    if many is not None:
        found["send_many"] = await timed(count, many(count, 0))
    return found
