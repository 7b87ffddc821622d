"""A message that somebody crafted lies among the dead letters, and does not keep others from being seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiormq import spec

from tests.support import PATIENCE
from warrener import topology
from warrener.letter_index import DeadLetterIndex

from .place import Place
from .shop import FAST

HEADERS: dict[str, dict[str, Any]] = {
    "a time beyond the calendar": {"dead_at": 2**62},
    "a time before it": {"dead_at": -(2**62)},
    "attempts without facts": {"dead_attempts": "[{}]"},
    "attempts of other types": {"dead_attempts": '[{"attempt": [], "worker": {}}, 5]'},
    "texts of other types": {"dead_reason": 5, "dead_type": bytearray(b"\xff"), "dead_message": {}},
}


async def _undelivered(
    place: Place, dead_id: str, headers: dict[str, Any], body: bytes = b"{}"
) -> None:
    """Publish a message to where the broker puts what it cannot deliver, and wait until it is listed."""
    properties = spec.Basic.Properties(
        message_type="shop.add",
        correlation_id=f"job-of-{dead_id}",
        headers={"dead_id": dead_id, "dead_queue": FAST, **headers},
    )
    async with place.client() as client, client.publisher.own_channel() as channel:
        exchange = topology.Names(place.namespace).undelivered
        await channel.basic_publish(
            body, exchange=exchange, routing_key=FAST, properties=properties
        )
        index = DeadLetterIndex(place.settings, client.store)
        async with asyncio.timeout(PATIENCE):
            while await index.find(dead_id) is None:  # noqa: ASYNC110 — nothing announces it
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("case", HEADERS)
async def test_a_crafted_letter_can_be_listed_and_shown(staffed: Place, case: str) -> None:
    dead_id = f"crafted-{list(HEADERS).index(case)}"
    await _undelivered(staffed, dead_id, HEADERS[case])
    async with staffed.http() as http:
        page = await http.get(f"/dead-letters/{FAST}")
        shown = await http.get(f"/desk/dead/{FAST}/{dead_id}")
    assert page.status_code == 200, page.text
    assert (shown.status_code, dead_id in shown.text) == (200, True), shown.text
    assert dead_id in [letter["id"] for letter in page.json()["items"]]
    for command in (("list", FAST), ("show", dead_id), ("list", FAST, "--json")):
        done = await asyncio.to_thread(staffed.run, "dead", *command)
        assert (done.returncode, done.stderr) == (0, "")
        assert dead_id in done.stdout


async def test_whole_numbers_of_any_length_stay_whole_wherever_they_are_shown(
    staffed: Place,
) -> None:
    huge = 2**70
    await _undelivered(staffed, "huge", {}, b'{"args":[],"kwargs":{"a":"no number","b":%d}}' % huge)
    async with staffed.http() as http:
        letter = await http.get(f"/desk/dead/{FAST}/huge")
        assert (letter.status_code, str(huge) in letter.text) == (200, True), letter.text
        asked = await http.post(
            f"/dead-letters/{FAST}/replay", json={"ids": ["huge"], "edit": {"a": huge}}
        )
        assert asked.status_code == 202, asked.text
        ended = await http.get(asked.headers["location"], params={"wait": 30})
        assert (ended.json()["state"], ended.json()["done"]) == ("done", 1), ended.text
        job = await http.get("/jobs/job-of-huge", params={"wait": 30})
        assert job.json()["result"] == 2 * huge, job.text
        shown = await http.get("/desk/jobs/job-of-huge")
        assert str(2 * huge) in shown.text
        assert str(huge) in shown.text, "what it was before it was edited"
        for page in (f"/desk/operations/{ended.json()['id']}", "/desk/audit", "/audit"):
            assert (await http.get(page)).status_code == 200
