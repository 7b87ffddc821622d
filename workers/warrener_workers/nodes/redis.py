"""A private Redis (or Valkey) that keeps its data in an append-only file."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from warrener_workers.nodes.ports import LOOPBACK, free_ports
from warrener_workers.nodes.processes import (
    NodeMissing,
    ServerProcess,
    clean_environment,
    locked,
)

# Warrener's promises need a Redis that keeps what it acknowledged and never evicts.
_PERSISTENCE = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
_PERSISTENCE += ["--maxmemory-policy", "noeviction"]


@dataclass(frozen=True)
class RedisNode:
    """A running Redis of one's own."""

    port: int
    _server: ServerProcess

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError while it is stopped."""
        return self._server.pid

    def start(self) -> None:
        """Start it on the same port and data, and wait until it answers. Raises NodeFailed."""
        self._server.start(lambda: _answers(self.port))

    def kill(self) -> None:
        """Kill -9 and reap; what it acknowledged survives in the append-only file."""
        self._server.kill()

    def stop(self) -> None:
        """End it at once: a private node has nobody to say goodbye to."""
        self._server.kill()


@contextmanager
def private_redis(directory: Path, *, port: int | None = None) -> Iterator[RedisNode]:
    """Run a Redis with its data in a directory. Raises NodeMissing, NodeFailed, DirectoryInUse."""
    server = _find()
    with locked(directory) as directory:
        port = port or free_ports(1)[0]
        command = [server, "--bind", LOOPBACK, "--port", str(port), "--dir", str(directory)]
        command += ["--daemonize", "no", "--logfile", "", *_PERSISTENCE]
        log, env = directory / "redis.log", clean_environment(directory)
        node = RedisNode(port, ServerProcess("Redis", command, log=log, env=env))
        try:
            node.start()
            yield node
        finally:
            node.stop()


def _find() -> str:
    path = clean_environment(Path("/"))["PATH"]
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=path):
            return found
    raise NodeMissing("Redis", "redis-server or valkey-server on PATH", "redis-server")


def _answers(port: int) -> bool:
    """Whether PING is answered; a Redis that still reads its file answers -LOADING instead."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(64).startswith(b"+PONG"):
                return True
    except OSError:
        pass
    time.sleep(0.005)
    return False
