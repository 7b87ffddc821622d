"""A private RabbitMQ with its management API."""

import json
import os
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warrener_workers.nodes.epmd import NameServer, name_server
from warrener_workers.nodes.installed import InstalledRabbit, this_machines_rabbit
from warrener_workers.nodes.ports import LOOPBACK, free_ports
from warrener_workers.nodes.processes import ServerProcess, clean_environment, locked
from warrener_workers.nodes.slim_home import slim_home

_COOKIE = "private-node"
_PLUGINS = ("rabbitmq_management",)
# More schedulers than this only cost memory and boot time on a node with one user.
_SCHEDULERS = 4
# As deploy/advanced.config, which says why: after a crash, what a rung of the delay ladder could not hand
# on is tried again after 5 s, and not after 3 minutes.
_ADVANCED = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 5000}]}].\n"


@dataclass(frozen=True)
class _Ports:
    amqp: int
    management: int
    distribution: int


@dataclass(frozen=True)
class RabbitNode:
    """A running RabbitMQ of one's own; user and password are guest."""

    name: str
    _ports: _Ports
    _server: ServerProcess
    _names: NameServer
    _ready: Path
    _control: Sequence[str]

    @property
    def amqp_url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self._ports.amqp}/"

    @property
    def management_url(self) -> str:
        return f"http://guest:guest@{LOOPBACK}:{self._ports.management}"

    @property
    def pid(self) -> int:
        """The Erlang VM's process id. Raises RuntimeError while it is stopped."""
        return self._server.pid

    @property
    def log(self) -> Path:
        """What it writes."""
        return self._server.log

    def manage(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Call the management API, such as ("GET", "/api/queues"); its JSON, or None without.

        Raises urllib.error.HTTPError on a refusal.
        """
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self._ports.management}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q=",  # guest:guest
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl on it, which takes half a second; what it prints. Raises
        subprocess.CalledProcessError on a refusal."""
        command = [*self._control, "-n", f"{self.name}@localhost", "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._server.env, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout

    def start(self) -> None:
        """Start it on the same ports and data, and wait until it is up. Raises NodeFailed."""
        start_together([self])

    @contextmanager
    def starting(self) -> Iterator[Callable[[], None]]:
        """Start it; what it yields waits until it is up. Raises NodeFailed."""
        self._names.start()
        self._ready.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(str(self._ready))
            notices.settimeout(0.1)
            if self._server.launch():
                yield lambda: self._server.wait(lambda: _says_ready(notices))
            else:
                yield lambda: None

    def kill(self) -> None:
        """Kill -9 and reap; epmd stays, as it does when a real node dies."""
        self._server.kill()

    def stop(self) -> None:
        """End it at once: SIGTERM takes 6 s, and a private node has nobody to say goodbye to."""
        self._server.kill()
        self._names.stop()


def start_together(nodes: Sequence[RabbitNode]) -> None:
    """Start them and wait until all are up: nodes of one cluster wait for each other. Raises
    NodeFailed."""
    with ExitStack() as stack:
        for wait in [stack.enter_context(node.starting()) for node in nodes]:
            wait()


@contextmanager
def private_rabbitmq(
    directory: Path,
    *,
    port: int | None = None,
    config: Mapping[str, str] | None = None,
    installed: InstalledRabbit | None = None,
) -> Iterator[RabbitNode]:
    """Run a RabbitMQ with its data in a directory; `config` are lines of rabbitmq.conf, and
    `installed` is by default what this machine has.

    Takes 4-5 s on two cores. Raises NodeMissing, NodeFailed, DirectoryInUse.
    """
    installed = installed or this_machines_rabbit()
    node = prepared_rabbitmq(directory, installed, name_server(directory, installed), config, port)
    with node as prepared:
        prepared.start()
        yield prepared


@contextmanager
def prepared_rabbitmq(
    directory: Path,
    installed: InstalledRabbit,
    names: NameServer,
    config: Mapping[str, str] | None = None,
    port: int | None = None,
    name: str = "private",
) -> Iterator[RabbitNode]:
    """A node with its data in a directory, not started yet. Raises DirectoryInUse."""
    amqp, management, distribution = free_ports(3)
    ports = _Ports(port or amqp, management, distribution)
    # A socket's path is limited to 107 bytes, which a test's own directory can exceed.
    with locked(directory) as home, tempfile.TemporaryDirectory(prefix="warrener-") as short:
        _write_files(home, ports, config or {})
        notify = Path(short) / "ready"
        scripts = slim_home(installed.script.parent.parent, Path(short) / "rabbitmq", _PLUGINS)
        command = [*installed.entered_by, str(scripts / installed.script.name)]
        env = _environment(home, ports) | {
            # epmd is private, so names can be short.
            "RABBITMQ_NODENAME": f"{name}@localhost",
            "ERL_EPMD_PORT": str(names.port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            # With it the script execs, so that the process is the Erlang VM, and says when it is up.
            "NOTIFY_SOCKET": str(notify),
        }
        server = ServerProcess("RabbitMQ", command, log=home / "rabbitmq.log", env=env)
        control = [*installed.entered_by, str(scripts / "rabbitmqctl")]
        node = RabbitNode(name, ports, server, names, notify, control)
        try:
            yield node
        finally:
            node.stop()


def _write_files(directory: Path, ports: _Ports, config: Mapping[str, str]) -> None:
    settings = {
        "management.tcp.ip": LOOPBACK,
        "management.tcp.port": str(ports.management),
        # A nearly full disk must not block the publishers of a test.
        "disk_free_limit.absolute": "10MB",
        **config,
    }
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (directory / "rabbitmq.conf").write_text(lines)
    (directory / "advanced.config").write_text(_ADVANCED)
    (directory / "enabled_plugins").write_text(f"[{','.join(_PLUGINS)}].\n")
    cookie = directory / ".erlang.cookie"
    if not cookie.exists():
        cookie.touch(mode=0o600)
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)  # Erlang refuses one that others can read


def _environment(directory: Path, ports: _Ports) -> dict[str, str]:
    schedulers = min(_SCHEDULERS, os.cpu_count() or 1)
    nowhere = str(directory / "none")  # so that the system's own files are not read
    return clean_environment(directory) | {
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(directory / "plugins-expanded"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "generated"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": nowhere,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} "
            f"+S {schedulers}:{schedulers} +SDio {schedulers}"
        ),
        "ERL_CRASH_DUMP": os.devnull,
    }


def _says_ready(notices: socket.socket) -> bool:
    try:
        return b"READY=1" in notices.recv(4096)
    except TimeoutError:
        return False
