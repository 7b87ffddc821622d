"""Messages from elsewhere: what is a job runs, what is none ends as a dead letter that says why."""

from __future__ import annotations

import json
import signal
from typing import Any

import orjson
import pytest

from warrener import State
from warrener.asking import forecast
from warrener.declared import CatalogueEntry
from warrener.masking import HIDDEN, MASK
from warrener.replaying import Replayer
from warrener.selecting import Selection

from . import yard as tasks
from .conftest import QUEUE, Yard

RUN = tasks.run.name


def _body(*args: Any, **kwargs: Any) -> bytes:
    return json.dumps({"args": args, "kwargs": kwargs}).encode()


async def test_messages_of_other_clients_run(yard: Yard) -> None:
    async with yard.worker() as worker:
        await yard.publish(_body("least"), type=RUN, correlation_id="least")
        await yard.publish(b'{"kwargs": {"name": "named"}}', type=RUN, correlation_id="named")
        await yard.publish(_body("by-message-id"), type=RUN, message_id="by-message-id")
        await yard.publish(
            _body("charset"),
            type=RUN,
            correlation_id="charset",
            content_type="application/json; charset=utf-8",
            headers={"x-death": [{"count": 3}], "trace": "t-1"},
        )
        for status in await yard.ended("least", "named", "by-message-id", "charset"):
            assert (status.state, status.result, status.attempt) == (State.SUCCESS, status.id, 1)
            assert status.created is not None
            assert not status.recovered
        yard.publish_without_id(_body("no-id").decode(), RUN)
        adopted = (await worker.says("came without an id and is adopted as")).split(" as ")[-1]
        [status] = await yard.ended(adopted.split()[0])
        assert (status.state, status.result) == (State.SUCCESS, "no-id")
    for name in ("least", "named", "by-message-id", "charset", "no-id"):
        assert yard.events(name) == [f"start {name}", f"end {name}"]
    assert await yard.waiting(QUEUE) == []


MALFORMED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "random bytes": (b"\x00\xff\xfe{", {"type": RUN}, "no JSON"),
    "empty body": (b"", {"type": RUN}, "no JSON"),
    "a list": (b"[1, 2]", {"type": RUN}, "object"),
    "args no list": (b'{"args": 3}', {"type": RUN}, "args"),
    "no type": (_body("x"), {}, "no task name"),
    "content type": (_body("x"), {"type": RUN, "content_type": "application/x-pickle"}, "pickle"),
    "attempt": (_body("x"), {"type": RUN, "headers": {"attempt": "two"}}, "'attempt' is 'two'"),
    "attempt 0": (_body("x"), {"type": RUN, "headers": {"attempt": 0}}, "'attempt' is 0"),
    "generation": (_body("x"), {"type": RUN, "headers": {"generation": -1}}, "'generation' is -1"),
    "due": (_body("x"), {"type": RUN, "headers": {"due": 1.5}}, "'due' is 1.5"),
    "bad id": (_body("x"), {"type": RUN, "correlation_id": "a b{c}"}, "job id"),
    "missing argument": (_body(), {"type": RUN}, "name"),
    "wrong argument": (_body(7), {"type": RUN}, "valid string"),
    "one too many": (_body("x", "y"), {"type": RUN}, "2"),
    "unknown argument": (_body("x", size=3), {"type": RUN}, "size"),
}


async def test_what_is_no_job_is_dead_lettered_with_a_reason_and_holds_nothing_up(
    yard: Yard,
) -> None:
    async with yard.worker("-c", "1", WARRENER_UNKNOWN_TASK_GRACE="0.5"):
        for number, (body, properties, _) in enumerate(MALFORMED.values()):
            given = {"correlation_id": f"bad-{number}", **properties}
            await yard.publish(body, **given)
        good = await tasks.run.send("good")
        [status] = await yard.ended(good)
        assert status.state is State.SUCCESS
        letters = await yard.letters(len(MALFORMED))
        in_queue = await yard.waiting(f"{QUEUE}.dead")
    assert len(in_queue) == len(MALFORMED)
    assert await yard.waiting(QUEUE) == []
    [bad_id] = [letter for letter in letters if "job id" in letter.error.message]
    assert len({letter.id for letter in letters}) == len(MALFORMED)
    by_id = {letter.job_id: letter for letter in letters}
    for number, (what, (body, _, reason)) in enumerate(MALFORMED.items()):
        letter = by_id.get(f"bad-{number}", bad_id)
        assert reason in letter.error.message, (what, letter.error)
        assert letter.queue == QUEUE
        assert letter.reason in ("malformed", "invalid_arguments"), (what, letter)
        if letter.task:
            assert (letter.body, letter.hidden) == (body.decode("utf-8", "replace"), ""), what
        else:
            assert ("x" in letter.body, bool(letter.hidden)) == (False, True), what


async def test_what_pamqp_cannot_decode_is_dead_lettered_and_holds_nothing_up(yard: Yard) -> None:
    async with yard.worker("-c", "1") as worker:
        await yard.publish_raw(b"1", correlation_id=b"\xff\xfe", message_type=RUN.encode())
        await yard.publish_raw(b"2", message_type=b"\xff" * 40, reply_to=b"a" * 40)
        await yard.publish_raw(b"3", message_id=b"\xff\xfe")
        yard.rabbit.manage(
            "POST",
            f"/api/exchanges/{yard.vhost}/amq.default/publish",
            {
                "routing_key": QUEUE,
                "payload": "4",
                "payload_encoding": "string",
                "properties": {"type": RUN, "correlation_id": "late", "timestamp": 2**60},
            },
        )
        [status] = await yard.ended(await tasks.run.send("good"))
        assert status.state is State.SUCCESS
        letters = await yard.letters(4)
        in_queue = await yard.waiting(f"{QUEUE}.dead")
    assert {message.body for message in in_queue} == {b"1", b"2", b"3", b"4"}
    # They name no task whose arguments could be known not to be secret.
    assert {letter.body for letter in letters} == {HIDDEN}
    assert all(letter.hidden for letter in letters)
    assert {letter.reason for letter in letters} == {"malformed"}
    assert sum("its properties cannot be read" in letter.error.message for letter in letters) == 3
    assert "consuming again" not in worker.log
    assert await yard.waiting(QUEUE) == []


async def test_a_job_that_is_due_in_the_year_9999_waits_in_the_ladder(yard: Yard) -> None:
    async with yard.worker("-c", "1", "--prefetch", "1") as worker:
        far = 253_402_300_799_000
        await yard.publish(_body("far"), type=RUN, correlation_id="far", headers={"due": far})
        [status] = await yard.ended(await tasks.run.send("good"))
        assert status.state is State.SUCCESS
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    assert "held for now" not in worker.log
    assert await yard.waiting(QUEUE) == []
    assert await yard.waiting("warrener.delay.27") != []


async def test_a_record_that_is_none_costs_its_own_job_only(yard: Yard) -> None:
    store = yard.client.store
    await yard.client.publisher.ready()
    for name in ("list", "number"):
        await yard.publish(_body(name), type=RUN, correlation_id=name)
    await store.client.rpush(store.keys.job("list"), "not a hash")
    await store.client.hset(
        store.keys.job("number"),
        mapping={"state": "STARTED", "generation": "many", "attempt": "1"},
    )
    jobs = [await tasks.run.send(f"good-{n}") for n in range(5)]
    async with yard.worker("-c", "10") as worker:
        for status in await yard.ended(*jobs):
            assert status.state is State.SUCCESS
        letters = await yard.letters(2)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
    assert {letter.job_id for letter in letters} == {"list", "number"}
    assert {letter.reason for letter in letters} == {"record_broken"}


async def test_a_job_of_an_unknown_task_waits_and_is_then_dead_lettered(yard: Yard) -> None:
    async with yard.worker(WARRENER_UNKNOWN_TASK_GRACE="0.5") as worker:
        await yard.publish(_body(w="unseen"), type="no.such.task", correlation_id="lost-one")
        await worker.says("job lost-one waits for a worker that has it")
        [letter] = await yard.letters(1)
        assert (letter.job_id, letter.reason) == ("lost-one", "unknown_task")
        assert "knew the task 'no.such.task' within 0.5 s" in letter.error.message
        [status] = await yard.ended("lost-one")
        assert (status.state, status.task) == (State.FAILURE, "no.such.task")
    # Nobody knows which of its arguments are secret.
    assert orjson.loads(letter.body)["kwargs"] == {"w": MASK}
    assert "`warrener dead reindex yard`" in letter.hidden
    # Now somebody does. A text is looked for in what is listed: nothing else is taken than is shown.
    entry = CatalogueEntry("no.such.task", QUEUE, {"type": "object"}, {})
    await yard.client.catalogue.publish([entry])
    selection = Selection(text="unseen")
    assert (await forecast(yard.client, QUEUE, selection, None)).would == 0
    assert (await Replayer(yard.client).replay(QUEUE, selection)).kept == 1
    async with yard.running("dead", "reindex", QUEUE) as again:
        assert await again.ended() == 0, again.log
    [letter] = await yard.letters(1)
    assert (orjson.loads(letter.body)["kwargs"], letter.hidden) == ({"w": "unseen"}, "")
    assert (await Replayer(yard.client).replay(QUEUE, selection)).replayed == 1


async def test_a_task_that_only_newer_workers_know_is_run_by_one_of_them(yard: Yard) -> None:
    async with yard.worker() as old:
        await yard.publish(_body("new"), type="tests.integration.yard.novelty", message_id="new")
        await old.says("job new waits for a worker that has it")
        async with yard.worker(YARD_NEW="1"):
            old.kill(signal.SIGTERM)
            assert await old.ended() == 0
            [status] = await yard.ended("new")
    assert (status.state, status.attempt, status.result) == (State.SUCCESS, 1, "new")
    assert yard.events("new") == ["start new"]


async def test_arguments_that_only_newer_workers_take_wait_for_one_of_them(yard: Yard) -> None:
    message = _body("a", size=3)
    async with yard.worker() as old:
        await yard.publish(message, type="tests.integration.yard.grows", message_id="grown")
        await old.says("job grown does not fit the code of this worker")
        async with yard.worker(YARD_NEW="1"):
            old.kill(signal.SIGTERM)
            assert await old.ended() == 0
            [status] = await yard.ended("grown")
    assert (status.state, status.attempt, status.result) == (State.SUCCESS, 1, 3)
    assert yard.events("grown") == []
    assert yard.events("a") == ["start a"]


async def test_what_lacks_an_argument_that_newer_workers_need_waits_for_an_older_one(
    yard: Yard,
) -> None:
    async with yard.worker(YARD_NEW="1") as new:
        handle = await tasks.demands.send("a")
        await new.says(f"job {handle.id} does not fit the code of this worker")
        async with yard.worker():
            new.kill(signal.SIGTERM)
            assert await new.ended() == 0
            [status] = await yard.ended(handle)
    assert (status.state, status.attempt, status.result) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a"]


async def test_a_task_of_another_queue_runs_where_its_message_lies(yard: Yard) -> None:
    async with yard.worker(queues=("elsewhere",)):
        handle = await tasks.run.options(queue="elsewhere").send("a")
        [status] = await yard.ended(handle)
    assert (status.state, status.queue) == (State.SUCCESS, "elsewhere")


@pytest.mark.parametrize("size", [200_000, 900_000])
async def test_large_bodies_pass_through_whole(yard: Yard, size: int) -> None:
    async with yard.worker():
        [status] = await yard.ended(await tasks.length.send("ä" * (size // 2)))
    assert status.result == size // 2
