"""The topology as data: every message's way through it, walked as RabbitMQ would."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warrener import Settings
from warrener.errors import QueueNameError
from warrener.topology import (
    LONGEST_DELAY,
    LONGEST_QUEUE_NAME,
    RUNGS,
    TICK,
    Binding,
    Names,
    Queue,
    Topology,
    check_queue_name,
    route,
    shared,
    stage,
)

QUORUM = Settings()
NAMES = Names(QUORUM.namespace)
# Names that end in one another, that look like a key's bits, and the longest one.
QUEUES = ["discovery", "scan.discovery", "x.scan.discovery", "0", "1", "0.1", "1.0.1", "dead"]
QUEUES.append("q" * LONGEST_QUEUE_NAME)


def matches(pattern: Sequence[str], key: Sequence[str]) -> bool:
    """Topic matching (AMQP 0-9-1 §3.1.3.3): * is one word, # any number of words."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(matches(pattern[1:], key[n:]) for n in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and matches(pattern[1:], key[1:])


class Broker:
    """Routes as RabbitMQ does; lists each queue once for every way that leads to it."""

    def __init__(self, topology: Topology) -> None:
        self.exchanges = {exchange.name: exchange for exchange in topology.exchanges}
        self.queues = {queue.name: queue for queue in topology.queues}
        self.bindings: dict[str, list[Binding]] = {}
        for binding in topology.bindings:
            self.bindings.setdefault(binding.source, []).append(binding)

    def routed(self, exchange: str, key: str) -> list[Queue]:
        found: list[Queue] = []
        chosen = [b for b in self.bindings.get(exchange, []) if self.takes(exchange, b, key)]
        for binding in chosen:
            if binding.queue:
                found.append(self.queues[binding.queue])
            else:
                found += self.routed(binding.exchange, key)
        alternate = self.exchanges[exchange].arguments.get("alternate-exchange")
        return found if chosen or not alternate else self.routed(alternate, key)

    def takes(self, exchange: str, binding: Binding, key: str) -> bool:
        match self.exchanges[exchange].type:
            case "fanout":
                return True
            case "direct":
                return binding.key == key
            case _:
                return matches(binding.key.split("."), key.split("."))

    def journey(self, exchange: str, key: str) -> "Journey":
        """Where a message ends, and where it waited on its way."""
        rungs: list[str] = []
        milliseconds = 0
        while True:
            [queue] = self.routed(exchange, key)
            if "x-message-ttl" not in queue.arguments:
                return Journey(queue.name, milliseconds, rungs)
            assert len(rungs) <= RUNGS
            rungs.append(queue.name)
            milliseconds += queue.arguments["x-message-ttl"]
            exchange = queue.arguments["x-dead-letter-exchange"]


@dataclass
class Journey:
    queue: str
    milliseconds: int
    rungs: list[str]


def everything(settings: Settings = QUORUM) -> Topology:
    total = shared(settings)
    for queue in QUEUES:
        total += stage(settings, queue)
    return total


BROKER = Broker(everything())
queues = st.sampled_from(QUEUES)
ticks = st.one_of(st.integers(1, 64), st.integers(1, 2**RUNGS - 1))


@given(queues, st.floats(0.001, LONGEST_DELAY - TICK) | st.floats(0.001, 60))
@example("scan.discovery", 0.1)
@example("scan.discovery", 0.3)
@example("discovery", LONGEST_DELAY - TICK)
def test_a_delayed_message_arrives_in_its_queue_alone_never_early_and_less_than_a_tick_late(
    queue: str, delay: float
) -> None:
    found = BROKER.journey(*route(NAMES, queue, delay))
    assert found.queue == queue
    late = found.milliseconds / 1000 - delay
    assert -1e-6 <= late < TICK + 1e-6


@given(queues, ticks)
def test_a_delay_waits_in_the_rungs_of_its_bits_longest_first(queue: str, count: int) -> None:
    # Half a tick less than `count` is rounded up to it.
    found = BROKER.journey(*route(NAMES, queue, (count - 0.5) * TICK))
    assert found.queue == queue
    assert found.milliseconds == count * 100
    bits = [n for n in reversed(range(RUNGS)) if count >> n & 1]
    assert found.rungs == [f"warrener.delay.{n:02}" for n in bits]


@given(ticks)
@example(11)
def test_a_delay_of_whole_ticks_takes_just_these_ticks(count: int) -> None:
    found = BROKER.journey(*route(NAMES, "discovery", count / 10))
    assert found.milliseconds == count * 100


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("delay", [0, 0.0, -1.0])
def test_without_a_delay_a_message_goes_straight_to_its_queue(queue: str, delay: float) -> None:
    assert route(NAMES, queue, delay) == ("warrener.jobs", queue)
    assert BROKER.journey("warrener.jobs", queue) == Journey(queue, 0, [])


def test_a_delay_longer_than_the_ladder_waits_in_all_of_it() -> None:
    found = BROKER.journey(*route(NAMES, "discovery", 1e12))
    assert found.milliseconds == round(LONGEST_DELAY * 1000)
    assert len(found.rungs) == RUNGS
    assert LONGEST_DELAY > 300 * 86_400, "delays of months wait in the broker"


def test_a_message_whose_time_has_come_is_caught_when_nobody_has_its_queue() -> None:
    found = BROKER.journey(*route(NAMES, "nobody", 0.3))
    assert (found.queue, found.milliseconds) == ("warrener.undelivered", 300)


@pytest.mark.parametrize("queue", QUEUES)
def test_a_dead_letter_goes_to_the_dead_queue_of_its_queue_alone(queue: str) -> None:
    assert BROKER.journey("warrener.dead", queue).queue == f"{queue}.dead"


def test_a_dead_letter_of_a_queue_that_nobody_has_is_caught() -> None:
    assert BROKER.journey("warrener.dead", "nobody").queue == "warrener.undelivered"


@pytest.mark.parametrize("queue", QUEUES)
def test_what_the_broker_gives_up_on_ends_in_undelivered(queue: str) -> None:
    exchange = BROKER.queues[queue].arguments["x-dead-letter-exchange"]
    assert BROKER.journey(exchange, queue).queue == "warrener.undelivered"


def test_an_unknown_queue_without_a_delay_is_returned_to_its_sender() -> None:
    assert BROKER.routed("warrener.jobs", "nobody") == []


@given(queues, ticks)
def test_routing_keys_fit_their_255_bytes(queue: str, count: int) -> None:
    _, key = route(NAMES, queue, count * TICK)
    assert len(key.encode()) <= 255
    assert max(len(binding.key) for binding in stage(QUORUM, queue).bindings) <= 255


@pytest.mark.parametrize("queue", ["default", "scan.discovery", "a-b_c.D9", "q" * 199, "deadly"])
def test_these_are_queue_names(queue: str) -> None:
    assert check_queue_name(queue) == queue


@pytest.mark.parametrize(
    "queue, reason",
    [
        ("", "empty"),
        ("*", "wildcards"),
        ("scan.#", "wildcards"),
        ("a b", "other characters"),
        ("a\n", "other characters"),
        ("é", "other characters"),
        ("a..b", "other characters"),
        (".a", "other characters"),
        ("a.", "other characters"),
        ("q" * 200, "longer than 199"),
        ("warrener.jobs", "reserved"),
        ("amq.gen-1", "reserved"),
        ("scan.dead", "reserved"),
    ],
)
def test_these_are_not(queue: str, reason: str) -> None:
    with pytest.raises(QueueNameError) as refused:
        check_queue_name(queue)
    assert reason in str(refused.value)
    with pytest.raises(QueueNameError):
        stage(QUORUM, queue)


def test_only_the_own_namespace_is_reserved() -> None:
    assert check_queue_name("warrener.x", "shop") == "warrener.x"
    with pytest.raises(QueueNameError, match="reserved"):
        check_queue_name("shop.x", "shop")
