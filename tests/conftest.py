"""Fixtures on real servers: one private RabbitMQ and one private Redis a session, clean per test.

Nothing here skips: a missing server is a NodeMissing error that names the remedy.
"""

import itertools
import uuid
from collections.abc import Iterator

import pytest
import redis

from warrener_workers.nodes import RabbitNode, RedisNode, private_rabbitmq, private_redis

_DATABASES = 16  # what redis-server has unless told otherwise
_database_numbers = itertools.count()


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """The session's RabbitMQ; who kills it must start it again."""
    with private_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture(scope="session")
def redis_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNode]:
    """The session's Redis; who kills it must start it again."""
    with private_redis(tmp_path_factory.mktemp("redis")) as node:
        yield node


@pytest.fixture
def amqp_url(rabbit: RabbitNode) -> Iterator[str]:
    """An empty virtual host of the test's own, deleted with all that is in it afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    rabbit.manage("PUT", f"/api/vhosts/{name}")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    rabbit.manage("PUT", f"/api/permissions/{name}/guest", everything)
    yield rabbit.amqp_url + name
    rabbit.manage("DELETE", f"/api/vhosts/{name}")


@pytest.fixture
def redis_url(redis_node: RedisNode) -> str:
    """An empty database. Pub/sub channels are shared by all databases: name them by namespace."""
    url = f"{redis_node.url.removesuffix('/0')}/{next(_database_numbers) % _DATABASES}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
