"""A worker that has lost its consumers without a word, or with one, consumes again or ends."""

from __future__ import annotations

from urllib.parse import quote

from warrener import State

from . import yard as tasks
from .conftest import QUEUE, Yard, until_true

_CANCEL = """
{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
[begin
   Tag = element(2, Consumer), Channel = element(1, Consumer),
   Leave = rabbit_fifo:make_checkout({{Tag, Channel}}, cancel, #{{}}),
   {{ok, _, _}} = ra:process_command(amqqueue:get_pid(Q), Leave)
 end || Consumer <- rabbit_amqqueue:consumers(Q)].
"""
"""Takes the consumers from a quorum queue behind the backs of their channels (Erlang)."""


def _forget_consumers(yard: Yard, queue: str) -> None:
    yard.rabbit.control("eval", _CANCEL.format(vhost=yard.vhost, queue=queue))


def _delete(yard: Yard, queue: str) -> None:
    yard.rabbit.manage("DELETE", f"/api/queues/{yard.vhost}/{quote(queue)}")


async def _has_unsettled(yard: Yard, count: int) -> bool:
    text = yard.rabbit.control(
        "list_queues", "-p", yard.vhost, "name", "messages_unacknowledged", "--no-table-headers"
    )
    return f"{QUEUE}\t{count}" in text.splitlines()


async def test_a_consumer_that_was_lost_silently_is_noticed(yard: Yard) -> None:
    async with yard.worker("-c", "2", WARRENER_BEAT="0.5") as worker:
        await yard.ended(await tasks.run.send("before"))
        # A quorum queue would count a consumer for as long as it holds deliveries.
        await until_true(lambda: _has_unsettled(yard, 0), "all settled")
        _forget_consumers(yard, QUEUE)
        job = await tasks.run.send("a")
        await worker.says(f"RabbitMQ knows of no consumer of {QUEUE}")
        await worker.says("consuming again")
        [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]


async def test_a_queue_that_is_deleted_under_a_worker_is_declared_again(yard: Yard) -> None:
    async with yard.worker("-c", "2") as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        _delete(yard, QUEUE)
        await worker.says(f"RabbitMQ has cancelled the consumer of {QUEUE}; connecting again")
        await worker.says("consuming again")
        [status] = await yard.ended(await tasks.run.send("later"))
        assert status.state is State.SUCCESS
        yard.open("gate")
        [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]


async def test_one_that_is_not_its_to_declare_is_reported_and_ends_the_worker(yard: Yard) -> None:
    options = {"WARRENER_DECLARE": "false", "WARRENER_RESTORE_DEADLINE": "2"}
    async with yard.worker():
        pass  # it has declared everything
    async with yard.worker("-c", "2", **options) as worker:
        job = await tasks.wait.send("a", "gate")
        await yard.noted("start a")
        _delete(yard, QUEUE)
        await worker.says(f"not consuming yet: Queue '{QUEUE}' does not exist on the broker")
        await worker.says("finishing 1 job(s)")
        yard.open("gate")
        assert await worker.ended() == 8
    last = next(line for line in worker.lines if line.startswith("warrener: "))
    assert f"has not consumed from {QUEUE} for 2.0 s, and ends: Queue '{QUEUE}' does not" in last
    assert "WARRENER_RESTORE_DEADLINE" in last
    [status] = await yard.ended(job)
    assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
    assert yard.events("a") == ["start a", "end a"]
