"""What RabbitMQ says when it closes a connection instead of opening it."""

from __future__ import annotations

import asyncio

import pytest

from warrener import BrokerRefusedLogin, BrokerUnavailable, Warrener
from warrener.connection import Nodes
from warrener_workers.nodes import RabbitNode


async def test_a_virtual_host_that_is_not_there(rabbit: RabbitNode) -> None:
    app = Warrener(amqp_url=rabbit.amqp_url + "test-nowhere")
    with pytest.raises(BrokerRefusedLogin, match="vhost test-nowhere not found"):
        await Nodes(app.settings, "test").connect()


async def test_a_virtual_host_of_others(rabbit: RabbitNode, amqp_url: str) -> None:
    host = amqp_url.rpartition("/")[2]
    await asyncio.to_thread(rabbit.manage, "DELETE", f"/api/permissions/{host}/guest")
    with pytest.raises(BrokerRefusedLogin, match=r"access to vhost .* refused for user 'guest'"):
        await Nodes(Warrener(amqp_url=amqp_url).settings, "test").connect()


async def test_a_virtual_host_that_is_full_is_tried_again(
    rabbit: RabbitNode, amqp_url: str
) -> None:
    host = amqp_url.rpartition("/")[2]
    limit = f"/api/vhost-limits/{host}/max-connections"
    await asyncio.to_thread(rabbit.manage, "PUT", limit, {"value": 0})
    with pytest.raises(BrokerUnavailable, match="connection limit"):
        await Nodes(Warrener(amqp_url=amqp_url).settings, "test").connect()
