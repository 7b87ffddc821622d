"""What a job's record tells of what operators did with it: on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

from warrener import JobHandle
from warrener_api import create_app

from . import yard as tasks
from .conftest import QUEUE, Yard


async def _printed(yard: Yard, *command: str) -> str:
    async with yard.running(*command) as running:
        assert await running.ended() == 0, running.log
    return running.log


async def _over_http(yard: Yard, job: JobHandle[Any]) -> Any:
    transport = httpx.ASGITransport(create_app(yard.app), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return (await http.get(f"/jobs/{job.id}")).json()


async def test_a_job_tells_of_its_other_arguments_and_who_gave_its_letter_up(yard: Yard) -> None:
    async with yard.worker():
        edited = await tasks.broken.send("a")
        given_up = await tasks.die_once.send("b")
        await yard.ended(edited, given_up)
        await yard.letters(2)
        assert (await _over_http(yard, edited))["edits"] == []
        assert (await _over_http(yard, given_up))["discarded"] is None
        await _printed(yard, "dead", "replay", QUEUE, "--id", edited.id, "--set", "name=better")
        await yard.noted("end better")
        await yard.ended(edited)
    await _printed(yard, "dead", "discard", QUEUE, "--all", "--because", "spam", "--yes")
    [edit] = (await _over_http(yard, edited))["edits"]
    [kept] = (await yard.status(edited)).edits
    assert "original" not in edit
    assert [edit[name] for name in ("operation", "by", "size")] == [
        kept[name] for name in ("operation", "by", "size")
    ]
    assert f"by {edit['by']}" in await _printed(yard, "job", edited.id)
    told = (await _over_http(yard, given_up))["discarded"]
    assert told["reason"] == "spam"
    said = await _printed(yard, "job", given_up.id)
    assert f"by {told['by']}: spam" in said
    assert all(one["at"] for one in (edit, told))
