"""A cluster of private RabbitMQs."""

from __future__ import annotations

import asyncio
import urllib.error
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import PATIENCE
from warrener_workers.nodes import InstalledRabbit, RabbitNode
from warrener_workers.nodes.rabbitmq import name_server, prepared_rabbitmq, start_together

_DISCOVERY = "cluster_formation"


@dataclass(frozen=True)
class Cluster:
    """Its nodes, each of which can be killed and started again."""

    nodes: Sequence[RabbitNode]

    def urls(self, first: RabbitNode) -> str:
        """The nodes' addresses as one setting, one of them first."""
        return ",".join(node.amqp_url for node in sorted(self.nodes, key=lambda n: n is not first))

    def others(self, than: RabbitNode) -> list[RabbitNode]:
        """All nodes but one."""
        return [node for node in self.nodes if node is not than]

    def leader(self, queue: str) -> RabbitNode:
        """The node that leads a quorum queue, when all are up."""
        name = self.queue(self.nodes[0], queue)["leader"].partition("@")[0]
        return next(node for node in self.nodes if node.name == name)

    def queue(self, asked: RabbitNode, queue: str) -> dict[str, Any]:
        """What a node's management API says of a queue in the virtual host /."""
        found: dict[str, Any] = asked.manage("GET", f"/api/queues/%2f/{queue}")
        return found

    async def whole(self, queue: str) -> None:
        """Wait until every node serves and takes part in a queue."""
        async with asyncio.timeout(2 * PATIENCE):
            while not self._serves(queue):  # noqa: ASYNC110 — nothing announces it
                await asyncio.sleep(0.1)

    def _serves(self, queue: str) -> bool:
        try:
            return all(
                len(self.queue(node, queue).get("online", ())) == len(self.nodes)
                for node in self.nodes
            )
        except (KeyError, OSError, urllib.error.HTTPError):
            return False


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
