"""Secret arguments on real nodes: the task has them, and nobody who looks."""

from __future__ import annotations

import httpx
import orjson
from pydantic import SecretStr

from warrener import State
from warrener.masking import MASK
from warrener_api import create_app

from . import yard as tasks
from .conftest import APP, QUEUE, Yard

WORD = "correct-horse-battery-staple"


async def test_a_secret_is_seen_by_its_task_alone(yard: Yard) -> None:
    async with yard.worker("--name", "one") as worker, yard.running("events", "--json") as events:
        await events.says("following")
        job = await tasks.signs_in.send("ann", SecretStr(WORD))
        await yard.ended(job)
        await yard.noted(f"secret-{len(WORD)} ann")
        [letter] = await yard.letters(1)
        assert orjson.loads(letter.body)["kwargs"] == {"name": "ann", "token": MASK}
        seen = [await _printed(yard, *command) for command in _commands(letter.id)]
        seen += await _pages(yard, job.id)
        await _printed(yard, "schedules", "remove", "nightly")
        # It is in the dead queue as it was, and so replayed as it was.
        [message] = await yard.waiting(f"{QUEUE}.dead")
        assert WORD.encode() in message.body
        yard.open("gate")
        await _printed(yard, "dead", "replay", QUEUE, "--all")
        [status] = await yard.ended(job)
        assert (status.state, status.result) == (State.SUCCESS, MASK)
        seen.append(await _printed(yard, "job", job.id))
        await events.says('"SUCCESS"')
    seen += [events.log, worker.log]
    assert sum(MASK in text for text in seen) >= 5
    assert [text for text in seen if WORD in text] == []


def _commands(letter: str) -> list[tuple[str, ...]]:
    arguments = ("nightly", f"{tasks.__name__}.signs_in", "name=ann", f"token={WORD}")
    return [
        ("dead", "list", QUEUE, "--json"),
        ("dead", "show", letter),
        ("dead", "list", QUEUE, "--text", "correct-horse", "--json"),
        ("schedules", "add", *arguments, "--every", "3600", "--app", APP),
        ("schedules", "list", "--json"),
    ]


async def _printed(yard: Yard, *command: str) -> str:
    async with yard.running(*command) as running:
        assert await running.ended() == 0, running.log
    return running.log


async def _pages(yard: Yard, job: str) -> list[str]:
    transport = httpx.ASGITransport(create_app(yard.app), client=("127.0.0.1", 1))
    paths = [f"/jobs/{job}", "/jobs", f"/dead-letters/{QUEUE}", "/schedules", f"/desk/jobs/{job}"]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answers = [await http.get(path) for path in paths]
        wrong = {"task": f"{tasks.__name__}.signs_in", "kwargs": {"name": 7, "token": WORD}}
        refused = await http.post("/jobs", json=wrong)
        again = {**wrong, "kwargs": {"name": "ann", "token": MASK}}
        masked = await http.post("/jobs", json=again)
    assert {answer.status_code for answer in answers} == {200}
    assert [refused.status_code, masked.status_code] == [422, 422]
    assert "mask of a secret" in masked.text
    return [answer.text for answer in (*answers, refused, masked)]
