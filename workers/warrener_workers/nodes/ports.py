"""Free ports on the loopback interface."""

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST = 10_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Choose that many free ports, below those the kernel gives to outgoing connections.

    A client that keeps reconnecting to a dead node on an ephemeral port is sooner or later given
    that very port as its own source, connects to itself, and so keeps the node from coming back.
    Raises OSError when no port is free.
    """
    highest = _first_ephemeral_port()
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(range(_LOWEST, highest), min(1000, highest - _LOWEST)):
            if len(found) == count:
                return found
            probe = held.enter_context(socket.socket())
            # As the servers do: a port whose last connections linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"no {count} free ports between {_LOWEST} and {highest} on {LOOPBACK}")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True if a server can listen there. Raises nothing: an address that is not ours is not free."""
    with suppress(OSError), socket.create_connection((host, port), timeout=0.2):
        # On macOS one may bind a port of 127.0.0.1 that another has on all addresses.
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _first_ephemeral_port() -> int:
    try:
        first = int(_EPHEMERAL.read_text().split()[0])
    except OSError:  # not Linux
        first = 32_768
    return max(first, _LOWEST + 1000)
