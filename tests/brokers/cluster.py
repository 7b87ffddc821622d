"""A cluster of private RabbitMQs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import PATIENCE
from warrener_workers.nodes import InstalledRabbit, RabbitNode
from warrener_workers.nodes.epmd import name_server
from warrener_workers.nodes.rabbitmq import prepared_rabbitmq, start_together

_DISCOVERY = "cluster_formation"


@dataclass(frozen=True)
class Cluster:
    """Its nodes, each of which can be killed and started again."""

    nodes: Sequence[RabbitNode]

    def urls(self, first: RabbitNode, vhost: str) -> str:
        """The nodes' addresses as one setting, one of them first."""
        nodes = sorted(self.nodes, key=lambda node: node is not first)
        return ",".join(node.amqp_url + vhost for node in nodes)

    def leader(self, queue: str, vhost: str) -> RabbitNode:
        """The node that leads a quorum queue; some seconds after a change, the one before."""
        said = self.nodes[0].manage("GET", f"/api/queues/{vhost}/{queue}")["leader"]
        return next(node for node in self.nodes if said == f"{node.name}@localhost")

    async def whole(self) -> None:
        """Wait until each node can be lost without a quorum queue losing its majority."""
        async with asyncio.timeout(2 * PATIENCE):
            while not all(map(_can_be_lost, self.nodes)):  # noqa: ASYNC110 — nothing announces it
                await asyncio.sleep(0.1)


def _can_be_lost(node: RabbitNode) -> bool:
    try:
        node.manage("GET", "/api/health/checks/node-is-quorum-critical")
    except OSError:  # HTTPError is one
        return False
    return True


@contextmanager
def private_cluster(
    directory: Path, installed: InstalledRabbit, size: int = 3
) -> Iterator[Cluster]:
    """Run nodes that have formed a cluster. Takes 7-25 s. Raises NodeFailed."""
    names = [f"n{number}" for number in range(1, size + 1)]
    config = {f"{_DISCOVERY}.peer_discovery_backend": "classic_config"}
    for number, name in enumerate(names, 1):
        config[f"{_DISCOVERY}.classic_config.nodes.{number}"] = f"{name}@localhost"
    with ExitStack() as stack:
        directory.mkdir(parents=True, exist_ok=True)
        epmd = name_server(directory, installed)
        nodes = [
            stack.enter_context(
                prepared_rabbitmq(directory / name, installed, epmd, config, name=name)
            )
            for name in names
        ]
        start_together(nodes)
        members = nodes[0].manage("GET", "/api/nodes")
        assert {one["name"] for one in members if one["running"]} == {
            f"{name}@localhost" for name in names
        }, members
        yield Cluster(nodes)
