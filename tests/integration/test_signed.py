"""Signed messages on real servers: what somebody without a key publishes never runs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from tests.support import Running
from warrener import State
from warrener.queues import Queues
from warrener.replaying import Replayer
from warrener.selecting import Selection
from warrener_api.app import create_app

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true

OLD = "old:0123456789abcdef"
NEW = "new:fedcba9876543210"
DEAD = f"{QUEUE}.dead"
ALL = Selection(everything=True)
RUN = "tests.integration.yard.run"


@pytest.fixture
def signing(yard: Yard) -> Yard:
    """A yard whose app signs."""
    return having(yard, OLD)


def having(yard: Yard, keys: str) -> Yard:
    """The yard with these keys in its app."""
    settings = yard.app.settings.model_copy(update={"signing_keys": SecretStr(keys)})
    yard.app.settings = settings
    return yard


def checking(yard: Yard, keys: str = OLD) -> AbstractAsyncContextManager[Running]:
    """A worker with these keys."""
    return yard.worker(WARRENER_SIGNING_KEYS=keys)


async def copy_of(yard: Yard, queue: str = QUEUE) -> dict[str, Any]:
    """What somebody who can read the queue sees of its only message."""
    [message] = await yard.waiting(queue)
    own = {name: value for name, value in message.headers.items() if name[:2] != "x-"}
    return {
        "body": message.body,
        "type": message.type,
        "correlation_id": message.correlation_id,
        "headers": own,
    }


async def test_jobs_run_wait_retry_and_are_replayed_as_without_signatures(signing: Yard) -> None:
    async with checking(signing):
        at_once = await tasks.run.send("at once")
        later = await tasks.run.options(countdown=0.3).send("later")
        retried = await tasks.fails.send("retried", 2)
        for status in await signing.ended(at_once, later, retried):
            assert status.state is State.SUCCESS, status
        dead = await tasks.broken.send("dead")
        [letter] = await signing.letters(1)
        assert letter.reason == "error"
        report = await Replayer(signing.client).replay(QUEUE, ALL)
        assert (report.replayed, report.failed) == (1, [])
        [status] = await signing.ended(dead)
    assert (status.state, status.replays) == (State.SUCCESS, 1)
    assert await signing.waiting(DEAD) == []


async def test_keys_are_rotated_without_a_pause(signing: Yard) -> None:
    jobs = [await tasks.run.send("by the old key")]
    await signing.app.close()
    having(signing, f"{NEW},{OLD}")
    jobs.append(await tasks.run.send("by the new key"))
    async with checking(signing, f"{NEW},{OLD}"):
        for status in await signing.ended(*jobs):
            assert status.state is State.SUCCESS


async def test_what_nobody_signed_is_dead_lettered_and_never_runs(signing: Yard) -> None:
    await tasks.run.options(id="genuine").send("genuine")
    genuine = await copy_of(signing)
    body = orjson.dumps({"kwargs": {"name": "forged"}})
    signature = genuine["headers"]["signature"]
    forged: dict[str, dict[str, Any]] = {
        "unsigned": {**genuine, "correlation_id": "unsigned", "headers": {}},
        "garbage": {**genuine, "correlation_id": "garbage", "headers": {"signature": "old:1"}},
        "body": {**genuine, "body": body},
        "task": {**genuine, "type": "tests.integration.yard.die_once"},
        "id": {**genuine, "correlation_id": "another"},
        "generation": {**genuine, "headers": {**genuine["headers"], "generation": 7}},
        "attempt": {**genuine, "headers": {"signature": signature, "attempt": 2}},
        "malformed": {**genuine, "headers": {"signature": signature, "attempt": "x"}},
        "due": {**genuine, "headers": {**genuine["headers"], "due": 1}},
    }
    for message in forged.values():
        await signing.publish(**message)
    async with checking(signing) as worker:

        async def all_dead() -> bool:
            return len(await signing.waiting(DEAD)) == len(forged)

        await until_true(all_dead, "nine dead letters")
        [status] = await signing.ended("genuine")
        # The message as it was, once more: the record knows the job.
        await signing.publish(**genuine)
        await worker.says("job genuine acknowledged without running")
    assert (status.state, status.attempt, status.replays) == (State.SUCCESS, 1, 0)
    assert signing.events("genuine") == ["start genuine", "end genuine"]
    assert signing.events("forged") == []
    letters = await signing.waiting(DEAD)
    reasons = [letter.headers["dead_reason"] for letter in letters]
    assert sorted(map(str, reasons)) == ["bad_signature"] * 8 + ["malformed"]
    signed = [letter for letter in letters if "signature" in letter.headers]
    assert [letter.headers["dead_reason"] for letter in signed] == ["malformed"]
    assert OLD.partition(":")[2] not in worker.log


async def test_a_job_is_not_moved_between_queues(signing: Yard) -> None:
    await tasks.run.send("moved")
    copy = await copy_of(signing)
    async with signing.worker(queues=("elsewhere",), WARRENER_SIGNING_KEYS=OLD):
        await signing.publish(**copy, queue="elsewhere")
        [letter] = await signing.letters(1, "elsewhere")
    assert "for another queue than 'elsewhere'" in letter.error.message
    assert signing.events("moved") == []


async def test_a_letter_is_no_job_and_a_forged_one_is_not_replayed(signing: Yard) -> None:
    async with checking(signing):
        await tasks.broken.options(id="broken").send("broken")
        await signing.letters(1)
        letter = await copy_of(signing, DEAD)
        # The letter as a job; a forged letter by the way on which workers settle letters; one put there.
        await signing.publish(**letter)
        made_up = {"dead_id": "x~0", "dead_queue": QUEUE, "attempt": 1, "generation": 0}
        forged = {**letter, "correlation_id": "x", "headers": made_up}
        await signing.publish(**forged, queue="warrener.undelivered")
        await signing.ready(3, DEAD)
        await signing.publish(**{**forged, "correlation_id": "y"}, queue=DEAD)
        report = await Replayer(signing.client).replay(QUEUE, ALL)
        assert (report.seen, report.replayed) == (4, 1), report
        [status] = await signing.ended("broken")
        assert status.state is State.SUCCESS
    assert len(report.failed) == 3
    assert signing.events("broken") == ["start broken", "start broken", "end broken"]


async def test_a_replay_of_what_nobody_signed_must_be_asked_for(signing: Yard) -> None:
    """By a key that is gone: the letter is kept, and with the override the very attempt runs."""
    job = await tasks.run.options(id="by-a-key-that-is-gone").send("late")
    await signing.app.close()
    having(signing, NEW)
    async with checking(signing, NEW):
        await signing.letters(1)
        assert (await signing.status(job)).state is State.PENDING
        dead = ("dead", "replay", QUEUE, "--all", "--app", "tests.integration.yard:app")
        async with signing.running(*dead, WARRENER_SIGNING_KEYS=NEW) as replay:
            assert await replay.ended() == 6
        assert "yard: 0 replayed, 0 had been before, 1 stay, of 1" in replay.log
        said = "'by-a-key-that-is-gone~0' ('tests.integration.yard.run') stays: it is not signed"
        assert f"Letter {said}" in replay.log
        assert "replay it with --resign" in replay.log
        assert len(await signing.waiting(DEAD)) == 1
        async with signing.running(*dead, "--resign", WARRENER_SIGNING_KEYS=NEW) as replay:
            assert await replay.ended() == 0
        [status] = await signing.ended(job)
    assert (status.state, status.replays, status.attempt) == (State.SUCCESS, 0, 1)
    assert await signing.waiting(DEAD) == []


async def _ended(http: httpx.AsyncClient, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """An operation, once it has ended."""
    asked = await http.post(path, json=wanted)
    found: dict[str, Any] = (await http.get(asked.headers["location"], params={"wait": 30})).json()
    assert found["state"] == "done", found
    return found


async def test_the_override_over_http(signing: Yard) -> None:
    async with checking(signing):
        await signing.publish(b'{"kwargs": {"name": "a"}}', type=RUN, correlation_id="a")
        await signing.letters(1)
        web = create_app(signing.app)
        transport = httpx.ASGITransport(app=web)
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        async with web.router.lifespan_context(web), client as http:
            path = f"/dead-letters/{QUEUE}/replay"
            kept = await _ended(http, path, {"all": True})
            assert (kept["done"], kept["kept"], kept["failed"]) == (0, 1, 1)
            assert "it is not signed" in kept["faults"][0]
            done = await _ended(http, path, {"all": True, "resign": True})
            assert (done["done"], done["kept"], done["failed"]) == (1, 0, 0)
        [status] = await signing.ended("a")
    assert status.state is State.SUCCESS


async def test_a_purge_believes_nothing_that_is_not_signed(signing: Yard) -> None:
    await tasks.run.options(id="waits", countdown=60).send("waits")
    await signing.publish(b"{}", type=RUN, correlation_id="waits")
    report = await Queues(signing.client).purge(QUEUE)
    assert (report.revoked, report.dropped, report.kept) == (0, 0, 1)
    assert (await signing.status("waits")).state is State.SCHEDULED


async def test_a_message_without_an_id_is_not_adopted(signing: Yard) -> None:
    async with checking(signing):
        signing.publish_without_id('{"kwargs": {"name": "a"}}', RUN)
        [letter] = await signing.letters(1)
    assert "needs a job id" in letter.error.message
    assert signing.events("a") == []
