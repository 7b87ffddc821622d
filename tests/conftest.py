"""Fixtures on real servers: one private RabbitMQ and one private Redis a session, clean per test.

Nothing here skips: a missing server is an error that names the remedy. `WARRENER_TEST_RABBITMQ=4.3`
runs the tests on that version, which `./dev test --rabbitmq 4.3` fetches.
"""

import itertools
import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from tests.brokers.installed import VARIABLE, wanted_rabbit
from warrener_workers.nodes import (
    InstalledRabbit,
    NodeMissing,
    RabbitNode,
    RedisNode,
    private_rabbitmq,
    private_redis,
)

# The same examples on every run; HYPOTHESIS_PROFILE=explore looks for new ones. How fast a machine makes
# them is no fault of a test.
_UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fixed", derandomize=True, **_UNTIMED)
settings.register_profile("explore", max_examples=2_000, **_UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

_DATABASES = 16  # what redis-server has unless told otherwise
_database_numbers = itertools.count()


def pytest_configure() -> None:
    """Ends the run here if the RabbitMQ that it is wanted on is missing."""
    # A shell that starts a run in the background has it ignore Ctrl-C, and so do all its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.get(VARIABLE):
        try:
            wanted_rabbit()
        except LookupError as error:
            raise pytest.UsageError(*error.args) from error


def pytest_report_header() -> str:
    """The version that a run stands on."""
    try:
        return f"rabbitmq: {wanted_rabbit().version}"
    except NodeMissing as error:
        return f"rabbitmq: {error}"


@pytest.fixture(scope="session")
def installed_rabbit() -> InstalledRabbit:
    """The RabbitMQ that this run is on."""
    return wanted_rabbit()


@pytest.fixture(scope="session")
def rabbit(
    tmp_path_factory: pytest.TempPathFactory, installed_rabbit: InstalledRabbit
) -> Iterator[RabbitNode]:
    """The session's RabbitMQ; who kills it must start it again."""
    directory = tmp_path_factory.mktemp("rabbitmq")
    # Milliseconds after which the management API knows of what was opened: of itself five seconds.
    config = {"collect_statistics_interval": "1000"}
    with private_rabbitmq(directory, config=config, installed=installed_rabbit) as node:
        said = node.manage("GET", "/api/overview")["rabbitmq_version"]
        assert said.startswith(os.environ.get(VARIABLE, "")), said
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
