"""Any bytes with any properties on a work queue of a real node: each becomes a dead letter or a job that
ends, and the queue goes on."""

from __future__ import annotations

import signal
from typing import Any

import aio_pika
import orjson
import pytest
from aiormq import spec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.unit.wire import properties, tables
from warrener import State

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true

RUN = b"tests.integration.yard.run"
COUNT = 80
Case = tuple[bytes, bytes, bytes]
# A job that is due later waits in the ladder, and is no business of this test.
headers = tables().filter(lambda table: b"due" not in table)
names = st.just(RUN) | st.just(b"tests.integration.yard.broken") | st.binary(max_size=20)
cases: st.SearchStrategy[Case] = st.tuples(headers, names, st.binary(max_size=30))


def drawn() -> list[Case]:
    """The same cases on every run."""
    found: list[Case] = []

    @settings(max_examples=COUNT, derandomize=True, database=None, phases=[Phase.generate])
    @given(cases)
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found


class Written(spec.Basic.Properties):
    """Properties that are written as these bytes."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(message_id="unused")
        self._payload = payload

    def marshal(self) -> bytes:
        return self._payload


async def publish(yard: Yard, number: int, case: Case) -> bytes:
    """Put it on the work queue; answers its body, which is one of a kind."""
    table, task, garbage = case
    body = b"%d:%s" % (number, garbage)
    if number % 2:
        body = orjson.dumps({"kwargs": {"name": f"fuzz-{number}"}})
    async with await aio_pika.connect(yard.amqp_url) as connection:
        channel = await (await connection.channel()).get_underlay_channel()
        given: Any = Written(properties(table, b"fuzz-%d" % number, task))
        await channel.basic_publish(body, routing_key=QUEUE, properties=given)
    return body


@pytest.mark.timeout(240)
async def test_whatever_lies_in_a_work_queue_is_settled(yard: Yard) -> None:
    await yard.client.publisher.ready()
    given = drawn()
    async with yard.worker("-c", "4", WARRENER_UNKNOWN_TASK_GRACE="0.2") as worker:
        bodies = {n: await publish(yard, n, case) for n, case in enumerate(given)}

        async def all_settled() -> bool:
            dead = {message.body for message in await yard.waiting(f"{QUEUE}.dead")}
            left = [n for n, body in bodies.items() if body not in dead]
            found = await yard.client.store.statuses([f"fuzz-{n}" for n in left])
            return all(status is not None and status.is_terminal for status in found)

        await until_true(all_settled, "every message is a dead letter or a settled job")
        [status] = await yard.ended(await tasks.run.send("good"))
        assert status.state is State.SUCCESS
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    assert "settling failed" not in worker.log
    assert "consuming again" not in worker.log
    assert await yard.waiting(QUEUE) == []
    assert await yard.waiting("warrener.undelivered") == []
