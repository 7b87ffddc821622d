"""Secret arguments on real nodes: the task has them, and nobody who looks."""

from __future__ import annotations

import httpx
import orjson
from pydantic import SecretStr

from warrener import State, Warrener
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
        seen += await _edits(yard, letter.id)
        await _printed(yard, "schedules", "remove", "nightly")
        # It is in the dead queue as it was, and so replayed as it was.
        [message] = await yard.waiting(f"{QUEUE}.dead")
        assert WORD.encode() in message.body
        yard.open("gate")
        # Nobody learns it by asking which letters have it.
        probed = await _printed(yard, "dead", "replay", QUEUE, "--text", WORD[:9])
        assert "0 replayed, 0 had been before, 1 stay, of 1" in probed
        await _printed(yard, "dead", "replay", QUEUE, "--all")
        [status] = await yard.ended(job)
        assert (status.state, status.result) == (State.SUCCESS, MASK)
        seen.append(await _printed(yard, "job", job.id))
        await events.says('"SUCCESS"')
        seen += await _edited(yard)
    seen += [events.log, worker.log]
    assert sum(MASK in text for text in seen) >= 5
    assert [text for text in seen if WORD in text] == []


async def _edits(yard: Yard, letter: str) -> list[str]:
    """What is said of edits that do not fit the letter, here and where its task is not imported."""
    replay = ("dead", "replay", QUEUE, "--all", "--set")
    seen = []
    for wrong in ("name=7", f'token=["{WORD}"]', f"token={MASK}"):
        async with yard.running(*replay, wrong) as refused:
            assert await refused.ended() != 0
            assert "does not fit" in refused.log or "mask of a secret" in refused.log
            seen.append(refused.log)
    async with _served(Warrener(settings=yard.app.settings)) as http:
        page = await http.get(f"/desk/dead/{QUEUE}/{letter}")
        assert "&#34;token&#34;: &#34;" + MASK in page.text  # in the form that edits it
        seen.append(page.text)
        for word in (MASK, [WORD]):
            call = {"task": f"{tasks.__name__}.signs_in", "kwargs": {"name": "ann", "token": word}}
            seen.append((answer := await http.post("/jobs", json=call)).text)
            assert answer.status_code == 422
    return seen


async def _edited(yard: Yard) -> list[str]:
    """What is said of a job whose secret was changed, and of who did it."""
    (yard.folder / "gate").unlink()
    job = await tasks.signs_in.send("bob", SecretStr(WORD))
    await yard.ended(job)
    yard.open("gate")
    seen = [await _printed(yard, "dead", "replay", QUEUE, "--all", "--set", f"token={WORD}2")]
    [status] = await yard.ended(job)
    assert (status.state, len(status.edits)) == (State.SUCCESS, 1)
    await yard.noted(f"secret-{len(WORD) + 1} bob")
    for command in (("job", job.id), ("dead", "operations"), ("audit",)):
        seen.append(await _printed(yard, *command, "--json"))
    form = {"queue": QUEUE, "deed": "replay", "all": "yes", "edit": f'{{"token":"{WORD}"}}'}
    async with _served(yard.app) as http:
        paths = (f"/desk/jobs/{job.id}", "/operations", "/audit", "/desk/operations", "/desk/audit")
        answers = [await http.get(path) for path in paths]
        forecast = await http.post("/desk/dead/count", data=form)
    assert {answer.status_code for answer in (*answers, forecast)} == {200}
    assert "token" in forecast.text.partition("<form")[0]
    return [*seen, *(answer.text for answer in answers), forecast.text.partition("<form")[0]]


def _served(app: Warrener) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(app), client=("127.0.0.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


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
    paths = [f"/jobs/{job}", "/jobs", f"/dead-letters/{QUEUE}", "/schedules", f"/desk/jobs/{job}"]
    async with _served(yard.app) as http:
        answers = [await http.get(path) for path in paths]
        wrong = {"task": f"{tasks.__name__}.signs_in", "kwargs": {"name": 7, "token": WORD}}
        refused = await http.post("/jobs", json=wrong)
        again = {**wrong, "kwargs": {"name": "ann", "token": MASK}}
        masked = await http.post("/jobs", json=again)
    assert {answer.status_code for answer in answers} == {200}
    assert [refused.status_code, masked.status_code] == [422, 422]
    assert "mask of a secret" in masked.text
    return [answer.text for answer in (*answers, refused, masked)]
