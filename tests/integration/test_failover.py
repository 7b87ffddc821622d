"""Three nodes, and the one that leads the work queue is killed while jobs are sent and run."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.cluster import Cluster, private_cluster
from tests.support import PATIENCE
from warrener import BrokerUnavailable, PublishRefused, PublishTimeout, State
from warrener_workers.nodes import InstalledRabbit

from . import yard as tasks
from .conftest import QUEUE, Yard


@pytest.fixture(scope="module")
def cluster(
    installed_rabbit: InstalledRabbit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with private_cluster(tmp_path_factory.mktemp("cluster"), installed_rabbit) as cluster:
        yield cluster


# 3.10 keeps what a rung of the ladder had handed on when the leader behind it died, until that node is
# back and then for up to two of these timeouts, which are of 3 minutes; 4.0 and 4.3 hand it on at once.
IMPATIENT = "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 3000)."


@pytest.fixture
def vhost(cluster: Cluster) -> str:
    for node in cluster.nodes:
        node.control("eval", IMPATIENT)
    name = f"test-{uuid.uuid4().hex[:12]}"
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    cluster.nodes[0].manage("PUT", f"/api/vhosts/{name}")
    cluster.nodes[0].manage("PUT", f"/api/permissions/{name}/guest", everything)
    return name


class Sender:
    """Sends short jobs one after the other until told to stop."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self._changed = asyncio.Condition()
        self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while True:
            name = f"short-{len(self.accepted)}"
            await self._until_accepted(name)
            async with self._changed:
                self.accepted.append(name)
                self._changed.notify_all()

    async def _until_accepted(self, name: str) -> None:
        while True:
            try:
                await tasks.run.options(id=name).send(name)
                return
            except (BrokerUnavailable, PublishTimeout, PublishRefused):
                # It may arrive, so again under the same id. Refused: 3.10 says so of a queue that has
                # no leader when a channel first publishes to it.
                await asyncio.sleep(0.05)

    async def more(self, count: int) -> None:
        """Wait until so many more have been accepted."""
        goal = len(self.accepted) + count
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= goal)

    async def stop(self) -> list[str]:
        """The ids of all accepted jobs."""
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        return self.accepted


@pytest.mark.timeout(240)
@pytest.mark.parametrize("connected", [True, False], ids=["connected to it", "to another"])
async def test_a_killed_leader_costs_no_job_and_no_second_run(
    cluster: Cluster,
    installed_rabbit: InstalledRabbit,
    vhost: str,
    redis_url: str,
    tmp_path: Path,
    connected: bool,
) -> None:
    await cluster.whole()
    leader, other, _ = cluster.nodes
    yard = Yard(leader, cluster.urls(leader, vhost), redis_url, tmp_path)
    async with yard.app:
        await yard.client.publisher.ready()  # declares: who declares a queue leads it
    assert cluster.leader(QUEUE, vhost) is leader
    yard = Yard(other, cluster.urls(leader if connected else other, vhost), redis_url, tmp_path)
    async with yard.app, yard.worker("-c", "4") as worker:
        held = [(await tasks.wait.send(f"held-{n}", "gate")).id for n in range(2)]
        for n in range(2):
            await yard.noted(f"start held-{n}")
        late = [
            (await tasks.run.options(countdown=n / 2).send(f"late-{n}")).id for n in range(1, 9)
        ]
        sender = Sender()
        await sender.more(50)
        leader.kill()
        await sender.more(50)
        yard.open("gate")
        short = await sender.stop()
        if not installed_rabbit.version.startswith("3.10."):
            await yard.ended(*late)
        await yard.ended(*held, *short)
        leader.start()
        await cluster.whole()
        later = await tasks.run.send("later")
        for status in await yard.ended(*held, *late, *short, later):
            assert (status.state, status.attempt, status.losses) == (State.SUCCESS, 1, 0)
        worker.kill(signal.SIGTERM)
        assert await worker.ended() == 0
        assert await _left(yard) == []
    names = [*(f"held-{n}" for n in range(2)), *(f"late-{n}" for n in range(1, 9)), *short, "later"]
    for name in names:
        assert yard.events(name) == [f"start {name}", f"end {name}"]


async def _left(yard: Yard) -> list[str]:
    """What is in the work queue, its dead queue, and that of undelivered messages."""
    left = []
    for queue in (QUEUE, f"{QUEUE}.dead", "warrener.undelivered"):
        found = await yard.client.publisher.depth(queue)
        assert found is not None
        left += [queue] * (found.message_count or 0)
    return left
