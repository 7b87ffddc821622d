"""The private servers that the other integration tests, the demo and `warrener dev` stand on."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import aio_pika
import psutil
import pytest
import redis

from tests.support import PATIENCE
from warrener_workers.nodes import (
    DirectoryInUse,
    InstalledRabbit,
    NodeFailed,
    NodeMissing,
    RabbitNode,
    private_rabbitmq,
    private_redis,
)
from warrener_workers.nodes.ports import free_ports
from warrener_workers.nodes.processes import ServerProcess, clean_environment

_PARENT = """
import sys, time
from pathlib import Path
from tests.brokers.installed import wanted_rabbit
from warrener_workers.nodes import private_rabbitmq, private_redis
here, rabbit = Path(sys.argv[1]), wanted_rabbit()
with private_rabbitmq(here / "rabbitmq", installed=rabbit), private_redis(here / "redis"):
    print("ready", flush=True)
    time.sleep(3600)
"""


async def test_a_fresh_virtual_host_carries_a_message(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(
            "hello", durable=True, arguments={"x-queue-type": "quorum"}
        )
        await channel.default_exchange.publish(aio_pika.Message(b"hi"), "hello")
        message = await queue.get(timeout=5)
        assert message is not None
        assert message.body == b"hi"
        await message.ack()


def test_each_redis_url_is_an_empty_database(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


async def test_rabbitmq_keeps_confirmed_messages_over_a_kill(
    tmp_path: Path, installed_rabbit: InstalledRabbit
) -> None:
    with private_rabbitmq(tmp_path, config=deployed_settings(), installed=installed_rabbit) as node:
        url, pid = node.amqp_url, node.pid
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("kept", durable=True)
            persistent = aio_pika.Message(b"1", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(persistent, queue.name)
            # That the queue exists may still be on its way to the disk (before 4.3 and its Khepri).
            node.control("eval", "catch mnesia:sync_log().")
            node.kill()
        node.start()
        assert node.amqp_url == url
        assert node.pid != pid
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            kept = await (await channel.get_queue("kept")).get(timeout=5)
            assert kept is not None
            assert kept.body == b"1"


def test_rabbitmq_takes_the_advanced_settings_and_they_are_those_to_deploy(
    rabbit: RabbitNode,
) -> None:
    file = Path(__file__).parents[2] / "deploy" / "advanced.config"
    deployed = re.search(
        r"^\[\{rabbit, \[\{(\w+), (\d+)\}\]\}\]\.$", file.read_text(), re.MULTILINE
    )
    assert deployed is not None
    name, value = deployed.groups()
    assert rabbit.control("eval", f"application:get_env(rabbit, {name}).") == f"{{ok,{value}}}\n"


def test_redis_keeps_what_it_acknowledged_over_a_kill(tmp_path: Path) -> None:
    with private_redis(tmp_path) as node, redis.Redis.from_url(node.url) as client:
        client.set("key", "value")
        node.kill()
        node.start()
        assert client.get("key") == b"value"


def test_nothing_survives_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    # Its temporary directory too: a killed parent cannot remove it.
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    root = Path(__file__).parents[2]  # where `tests` can be imported from
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=root) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        names = {process.name() for process in family}
        # Among them Erlang's helpers, which no signal of ours reaches.
        assert {"beam.smp", "epmd", "erl_child_setup"} <= names
        assert names & {"redis-server", "valkey-server"}
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while (left := [process for process in family if _lives(process)]) and time.monotonic() < end:
        psutil.wait_procs(left, timeout=0.1)
    assert left == []


def test_a_missing_server_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    with pytest.raises(NodeMissing, match="apt-get install redis-server"), private_redis(tmp_path):
        pass


def test_a_server_that_does_not_boot_shows_its_log(
    tmp_path: Path, installed_rabbit: InstalledRabbit
) -> None:
    config = {"no_such_setting": "1"}
    node = private_rabbitmq(tmp_path, config=config, installed=installed_rabbit)
    with pytest.raises(NodeFailed, match="You've tried to set no_such_setting"), node:
        pass


def test_two_servers_on_one_directory_are_refused(tmp_path: Path) -> None:
    other = private_redis(tmp_path)
    with private_redis(tmp_path), pytest.raises(DirectoryInUse, match="name another"), other:
        pass


def test_a_server_that_is_never_ready_is_killed_at_the_deadline(tmp_path: Path) -> None:
    env = clean_environment(tmp_path)
    process = ServerProcess("sleeper", ["/bin/sleep", "60"], log=tmp_path / "log", env=env)
    with pytest.raises(NodeFailed, match="not ready within 0 s"):
        process.start(lambda: False, deadline=0.05)
    with pytest.raises(RuntimeError, match="not running"):
        _ = process.pid


def test_a_thread_that_would_take_the_server_with_it_is_refused(tmp_path: Path) -> None:
    caught: list[Exception] = []

    def start() -> None:
        try:
            with private_redis(tmp_path):
                pass
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "from the main thread" in str(caught[0])


def test_free_ports_are_below_the_ephemeral_range() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < lowest


def deployed_settings() -> dict[str, str]:
    """deploy/rabbitmq.conf, so that a key in it that RabbitMQ does not know fails here."""
    file = Path(__file__).parents[2] / "deploy" / "rabbitmq.conf"
    lines = file.read_text().splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line and line[0] != "#")


def _lives(process: psutil.Process) -> bool:
    """A zombie is dead: whoever adopted it has not reaped it yet."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
