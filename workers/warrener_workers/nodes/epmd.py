"""epmd, by which the Erlang nodes of one machine find each other."""

import socket
from dataclasses import dataclass
from pathlib import Path

from warrener_workers.nodes.installed import InstalledRabbit
from warrener_workers.nodes.ports import LOOPBACK, free_ports
from warrener_workers.nodes.processes import ServerProcess, clean_environment


@dataclass(frozen=True)
class NameServer:
    """An epmd of our own: one for a single node, and one for all nodes of a cluster."""

    port: int
    _server: ServerProcess

    def start(self) -> None:
        """Start it and wait until it listens; nothing while it runs. Raises NodeFailed."""
        self._server.start(lambda: _listens(self.port))

    def stop(self) -> None:
        """End it."""
        self._server.kill()


def name_server(directory: Path, installed: InstalledRabbit) -> NameServer:
    """An epmd on a free port, not started yet; its log comes into the directory."""
    [port] = free_ports(1)
    command = [*installed.entered_by, installed.epmd, "-port", str(port), "-address", LOOPBACK]
    env = clean_environment(directory)
    log = directory.absolute() / "epmd.log"
    return NameServer(
        port, ServerProcess("epmd (RabbitMQ's name server)", command, log=log, env=env)
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.05)
        return probe.connect_ex((LOOPBACK, port)) == 0
