"""Several nodes of one broker: which is tried when, and what is said when none lets us in."""

from __future__ import annotations

import asyncio

import aio_pika
import aiormq
import pytest
from yarl import URL

from warrener import BrokerRefusedLogin, BrokerUnavailable, Settings
from warrener.connection import Nodes

NODES = ", ".join(f"amqp://shop:hunter2@n{n}.example:5672/shop" for n in (1, 2, 3))
AWAY, NO = ConnectionRefusedError("refused"), aiormq.ProbableAuthenticationError("ACCESS_REFUSED")


class Broker:
    """What aio_pika.connect is replaced by: each node answers, or raises what is set for it."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.faults: dict[str, BaseException] = {}
        self.hanging: set[str] = set()
        self.hung = asyncio.Event()

    async def connect(self, url: URL, **_: object) -> str:
        host = str(url.host).partition(".")[0]
        self.tried.append(host)
        if host in self.hanging:
            self.hung.set()
            await asyncio.Event().wait()
        if host in self.faults:
            raise self.faults[host]
        return host


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(aio_pika, "connect", broker.connect)
    return broker


@pytest.fixture
def nodes() -> Nodes:
    return Nodes(Settings(amqp_url=NODES), "test")


async def answered(nodes: Nodes) -> str:
    """Which node let us in: the double gives its name instead of a connection."""
    return str(await nodes.connect())


async def test_the_first_that_answers_is_taken(broker: Broker, nodes: Nodes) -> None:
    broker.faults = {"n1": AWAY, "n2": TimeoutError()}
    assert await answered(nodes) == "n3"
    assert broker.tried == ["n1", "n2", "n3"]


async def test_after_a_loss_the_next_one_is_tried_first(broker: Broker, nodes: Nodes) -> None:
    assert [await answered(nodes) for _ in range(4)] == ["n1", "n2", "n3", "n1"]


async def test_one_that_hangs_until_the_caller_gives_up_is_not_tried_first_again(
    broker: Broker, nodes: Nodes
) -> None:
    broker.hanging = {"n1"}
    first = asyncio.ensure_future(nodes.connect())
    await broker.hung.wait()
    first.cancel()
    assert await answered(nodes) == "n2"


async def test_an_error_names_all_that_were_tried_and_no_password(
    broker: Broker, nodes: Nodes
) -> None:
    broker.faults = {"n1": AWAY, "n2": TimeoutError(), "n3": AWAY}
    with pytest.raises(BrokerUnavailable) as failed:
        await nodes.connect()
    said = str(failed.value)
    assert "n1.example:5672: refused; n2.example:5672: TimeoutError; n3.example:5672" in said
    assert said.count("amqp://shop:***@") == 3
    assert "hunter2" not in said


async def test_a_refusal_counts_for_more_than_silence(broker: Broker, nodes: Nodes) -> None:
    broker.faults = {"n1": AWAY, "n2": NO, "n3": AWAY}
    with pytest.raises(BrokerRefusedLogin, match=r"n2\.example:5672: ACCESS_REFUSED; n3"):
        await nodes.connect()
    del broker.faults["n3"]  # while a cluster starts, one node may know the user before another
    assert await answered(nodes) == "n3"


async def test_one_alone_is_named_once(broker: Broker) -> None:
    broker.faults = {"n1": AWAY}
    with pytest.raises(BrokerUnavailable) as failed:
        await Nodes(Settings(amqp_url="amqp://n1.example/"), "test").connect()
    assert "RabbitMQ at amqp://n1.example/ is not available: refused" in str(failed.value)
