"""A RabbitMQ that is short of memory, as the people at the desk see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from warrener_workers.nodes import RabbitNode

from .place import Place
from .shop import FAST

JOB = {"task": "shop.add", "kwargs": {"a": 1}}
NOTICE = "RabbitMQ has an alarm, and takes no messages"


@contextmanager
def _alarm(rabbit: RabbitNode) -> Iterator[None]:
    rabbit.control("set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")


async def _overview_says(http: httpx.AsyncClient) -> bool:
    answer = await http.get("/")
    assert answer.status_code == 200, answer.text
    return NOTICE in answer.text


async def test_an_alarm_is_on_the_overview_until_it_is_over(
    place: Place, rabbit: RabbitNode
) -> None:
    async with place.http() as http:
        # This process publishes nothing before: RabbitMQ tells of an alarm only who does.
        assert not await _overview_says(http)
        with _alarm(rabbit):
            while not await _overview_says(http):
                pass
            refused = await http.post("/jobs", json=JOB)
            assert refused.status_code == 503, refused.text
            # What stops the flood works all the same, and so does what shows it afterwards.
            paused = await http.post(f"/queues/{FAST}/pause")
            assert (paused.status_code, paused.json()["paused"]) == (200, True)
            assert await _overview_says(http)
            assert (await http.post(f"/queues/{FAST}/resume")).status_code == 200
        while await _overview_says(http):
            pass
        assert (await http.post("/jobs", json=JOB)).status_code == 202
