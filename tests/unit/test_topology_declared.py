"""What is declared, with which arguments, and what a broker's refusal becomes."""

import re
from typing import Any, cast

import aiormq
import pytest
from aiormq.channel import Channel

from warrener import Settings, TopologyMismatch
from warrener.topology import Topology, declare, mismatch, shared, stage

TYPES = ["quorum", "classic"]
every_type = pytest.mark.parametrize("queue_type", TYPES)


def topology(queue_type: str, namespace: str = "warrener") -> Topology:
    settings = Settings.model_validate({"queue_type": queue_type, "namespace": namespace})
    return shared(settings) + stage(settings, "scan.discovery")


def arguments(queue_type: str) -> dict[str, dict[str, Any]]:
    return {queue.name: queue.arguments for queue in topology(queue_type).queues}


@every_type
def test_all_queues_are_of_the_type_asked_for(queue_type: str) -> None:
    assert {a["x-queue-type"] for a in arguments(queue_type).values()} == {queue_type}


@every_type
def test_no_queue_has_a_length_limit_or_a_consumer_timeout(queue_type: str) -> None:
    forbidden = {"x-max-length", "x-max-length-bytes", "x-consumer-timeout", "x-expires"}
    assert not [a for a in arguments(queue_type).values() if a.keys() & forbidden]


def test_quorum_queues_hand_on_at_least_once() -> None:
    handing_on = [a for a in arguments("quorum").values() if "x-dead-letter-exchange" in a]
    assert len(handing_on) == 29, "the rungs and the work queue"
    for found in handing_on:
        assert found["x-dead-letter-strategy"] == "at-least-once"
        assert found["x-overflow"] == "reject-publish"


def test_queues_that_are_consumed_have_an_explicit_delivery_limit() -> None:
    found = arguments("quorum")
    for name in ("scan.discovery", "scan.discovery.dead", "warrener.undelivered"):
        assert found[name]["x-delivery-limit"] == 1_000_000


def test_dead_letters_and_undelivered_messages_stay_until_someone_takes_them() -> None:
    found = arguments("quorum")
    for name in ("scan.discovery.dead", "warrener.undelivered"):
        assert found[name].keys() == {"x-queue-type", "x-delivery-limit"}


def test_classic_queues_get_no_arguments_of_quorum_queues() -> None:
    known = {"x-queue-type", "x-dead-letter-exchange", "x-message-ttl"}
    assert all(a.keys() <= known for a in arguments("classic").values())


@every_type
def test_the_rungs_hold_messages_for_doubling_times(queue_type: str) -> None:
    found = arguments(queue_type)
    times = [found[f"warrener.delay.{n:02}"]["x-message-ttl"] for n in range(28)]
    assert times == [100 * 2**n for n in range(28)]


@every_type
def test_everything_that_is_named_is_declared(queue_type: str) -> None:
    whole = topology(queue_type)
    exchanges = {exchange.name for exchange in whole.exchanges}
    queues = {queue.name for queue in whole.queues}
    assert len(exchanges) == len(whole.exchanges)
    assert len(queues) == len(whole.queues)
    for given in [*(e.arguments for e in whole.exchanges), *(q.arguments for q in whole.queues)]:
        named = {given.get("alternate-exchange"), given.get("x-dead-letter-exchange")}
        assert named - {None} <= exchanges
    for binding in whole.bindings:
        assert binding.source in exchanges
        assert bool(binding.queue) is not bool(binding.exchange)
        assert binding.queue in queues or binding.exchange in exchanges


def test_two_namespaces_share_nothing_but_the_work_queues() -> None:
    one, other = topology("quorum", "one"), topology("quorum", "other")
    assert not {e.name for e in one.exchanges} & {e.name for e in other.exchanges}
    common = {q.name for q in one.queues} & {q.name for q in other.queues}
    assert common == {"scan.discovery", "scan.discovery.dead"}


class Recorder:
    """A channel that notes what is declared, and refuses one name as RabbitMQ does."""

    def __init__(self, refused: str = "", text: str = "") -> None:
        self.steps: list[tuple[str, str]] = []
        self._refused, self._text = refused, text

    def _note(self, kind: str, name: str) -> None:
        if name == self._refused:
            raise aiormq.ChannelPreconditionFailed(self._text)
        self.steps.append((kind, name))

    async def exchange_declare(self, name: str, **options: Any) -> None:
        assert options["durable"]
        self._note("exchange", name)

    async def queue_declare(self, name: str, **options: Any) -> None:
        assert options["durable"]
        self._note("queue", name)

    async def queue_bind(self, queue: str, source: str, routing_key: str) -> None:
        self._note("binding", f"{source} {routing_key} {queue}")

    async def exchange_bind(self, target: str, source: str, routing_key: str) -> None:
        self._note("binding", f"{source} {routing_key} {target}")


async def declared(recorder: Recorder) -> None:
    settings = Settings()
    parts = [shared(settings), stage(settings, "scan.discovery")]
    await declare(cast(Channel, recorder), parts)


async def test_everything_is_declared_before_it_is_bound() -> None:
    recorder = Recorder()
    await declared(recorder)
    whole = topology("quorum")
    assert len(recorder.steps) == len(whole.exchanges) + len(whole.queues) + len(whole.bindings)
    seen = {""}
    for kind, name in recorder.steps:
        if kind == "binding":
            source, _, target = re.split(" ", name)
            assert {source, target} <= seen
        else:
            seen.add(name)


async def test_the_dead_queue_is_declared_before_the_work_queue() -> None:
    recorder = Recorder()
    await declared(recorder)
    steps = recorder.steps
    assert steps.index(("queue", "scan.discovery.dead")) < steps.index(("queue", "scan.discovery"))


SAID = [
    (
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a' in vhost '/': "
        "received 'classic' but current is 'quorum'",
        ("x-queue-type", "'classic'", "'quorum'"),
    ),
    (
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a' in vhost '/': "
        "received none but current is the value 'quorum' of type 'longstr'",
        ("x-queue-type", "none", "the value 'quorum' of type 'longstr'"),
    ),
    (
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'warrener.delay.00' in "
        "vhost 'shop: eu': received the value '100' of type 'signedint' but current is the value "
        "'200' of type 'signedint'",
        (
            "x-message-ttl",
            "the value '100' of type 'signedint'",
            "the value '200' of type 'signedint'",
        ),
    ),
    (
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'warrener.jobs' in vhost '/': "
        "received 'topic' but current is 'fanout'",
        ("type", "'topic'", "'fanout'"),
    ),
    (
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'a' in vhost '/': "
        "received 'true' but current is 'false'",
        ("durable", "'true'", "'false'"),
    ),
]


@pytest.mark.parametrize("said, expected", SAID)
def test_a_mismatch_names_the_argument_and_both_values(
    said: str, expected: tuple[str, str, str]
) -> None:
    error = mismatch("queue a", said)
    assert isinstance(error, TopologyMismatch)
    facts = (error.facts["argument"], error.facts["wanted"], error.facts["current"])
    assert facts == expected
    assert "queue a exists on the broker with" in str(error)
    assert "warrener topology declare" in str(error)


def test_another_refusal_is_quoted_in_full() -> None:
    said = "PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue 'a' in vhost '/'"
    assert said in str(mismatch("queue a", said))


async def test_a_refused_declaration_names_the_queue() -> None:
    said, _ = SAID[0]
    with pytest.raises(TopologyMismatch, match=r"queue scan\.discovery exists .* 'quorum'"):
        await declared(Recorder("scan.discovery", said))


async def test_a_refused_declaration_names_the_exchange() -> None:
    said, _ = SAID[3]
    with pytest.raises(TopologyMismatch, match=r"exchange warrener\.jobs exists .* 'fanout'"):
        await declared(Recorder("warrener.jobs", said))
