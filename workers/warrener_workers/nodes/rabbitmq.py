"""A private RabbitMQ with its management API."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warrener_workers.nodes.ports import LOOPBACK, free_ports
from warrener_workers.nodes.processes import (
    NodeMissing,
    ServerProcess,
    clean_environment,
    locked,
)
from warrener_workers.nodes.slim_home import slim_home

_DEBIAN = Path("/usr/lib/rabbitmq/lib")
_NODE = "private@localhost"  # the epmd is private, so the name can be fixed
_COOKIE = "private-node"
_PLUGINS = ("rabbitmq_management",)
# More schedulers than this only cost memory and boot time on a node with one user.
_SCHEDULERS = 4


@dataclass(frozen=True)
class _Ports:
    amqp: int
    management: int
    distribution: int
    epmd: int


@dataclass(frozen=True)
class RabbitNode:
    """A running RabbitMQ of one's own; user and password are guest."""

    _ports: _Ports
    _server: ServerProcess
    _epmd: ServerProcess
    _ready: Path
    _scripts: Path

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

    def manage(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Call the management API, such as ("GET", "/api/queues"); its JSON, or None without.

        Raises urllib.error.HTTPError on a refusal.
        """
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self._ports.management}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="},  # guest:guest
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl on it, which takes half a second; what it prints. Raises
        subprocess.CalledProcessError on a refusal."""
        command = [str(self._scripts / "rabbitmqctl"), "-n", _NODE, "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._server.env, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout

    def start(self) -> None:
        """Start it on the same ports and data, and wait until it is up. Raises NodeFailed."""
        self._epmd.start(lambda: _listens(self._ports.epmd))
        self._ready.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(str(self._ready))
            notices.settimeout(0.1)
            self._server.start(lambda: _says_ready(notices))

    def kill(self) -> None:
        """Kill -9 and reap; epmd stays, as it does when a real node dies."""
        self._server.kill()

    def stop(self) -> None:
        """End it at once: SIGTERM takes 6 s, and a private node has nobody to say goodbye to."""
        self._server.kill()
        self._epmd.kill()


@contextmanager
def private_rabbitmq(
    directory: Path, *, port: int | None = None, config: Mapping[str, str] | None = None
) -> Iterator[RabbitNode]:
    """Run a RabbitMQ with its data in a directory; `config` are lines of rabbitmq.conf.

    Takes 4-5 s on two cores. Raises NodeMissing, NodeFailed, DirectoryInUse.
    """
    script, epmd = _find_server(), _find_epmd()
    amqp, management, distribution, epmd_port = free_ports(4)
    ports = _Ports(port or amqp, management, distribution, epmd_port)
    # A socket's path is limited to 107 bytes, which a test's own directory can exceed.
    with locked(directory) as home, tempfile.TemporaryDirectory(prefix="warrener-") as short:
        _write_files(home, ports, config or {})
        notify = Path(short) / "ready"
        scripts = slim_home(script.parent.parent, Path(short) / "rabbitmq", _PLUGINS)
        env, log = _environment(home, ports, notify), home / "rabbitmq.log"
        names = [epmd, "-port", str(ports.epmd), "-address", LOOPBACK]
        node = RabbitNode(
            ports,
            ServerProcess("RabbitMQ", [str(scripts / script.name)], log=log, env=env),
            ServerProcess("epmd (RabbitMQ's name server)", names, log=log, env=env),
            notify,
            scripts,
        )
        try:
            node.start()
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
    (directory / "enabled_plugins").write_text(f"[{','.join(_PLUGINS)}].\n")
    cookie = directory / ".erlang.cookie"
    if not cookie.exists():
        cookie.touch(mode=0o600)
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)  # Erlang refuses one that others can read


def _environment(directory: Path, ports: _Ports, notify: Path) -> dict[str, str]:
    schedulers = min(_SCHEDULERS, os.cpu_count() or 1)
    nowhere = str(directory / "none")  # so that the system's own files are not read
    return clean_environment(directory) | {
        "RABBITMQ_NODENAME": _NODE,
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(directory / "plugins-expanded"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "generated"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": nowhere,
        "RABBITMQ_CONF_ENV_FILE": nowhere,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} "
            f"+S {schedulers}:{schedulers} +SDio {schedulers}"
        ),
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_CRASH_DUMP": os.devnull,
        # With it the script execs, so that the process is the Erlang VM, and says when it is up.
        "NOTIFY_SOCKET": str(notify),
    }


def _find_server() -> Path:
    """The server's own script; the wrapper that Debian puts on PATH insists on its own user."""
    scripts = list(_DEBIAN.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if on_path := shutil.which("rabbitmq-server"):
        beside = Path(on_path).resolve()
        if (beside.parent / "rabbitmq-env").exists():
            scripts.append(beside)
    if not scripts:
        looked = f"rabbitmq-server under {_DEBIAN} or on PATH"
        raise NodeMissing("RabbitMQ", looked, "rabbitmq-server")
    return max(scripts, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])


def _find_epmd() -> str:
    path = f"{clean_environment(Path('/'))['PATH']}:/usr/lib/erlang/bin"
    if found := shutil.which("epmd", path=path):
        return found
    raise NodeMissing("Erlang", "epmd on PATH", "rabbitmq-server")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.05)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _says_ready(notices: socket.socket) -> bool:
    try:
        return b"READY=1" in notices.recv(4096)
    except TimeoutError:
        return False
