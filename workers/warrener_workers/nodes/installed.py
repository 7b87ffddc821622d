"""Where a RabbitMQ is installed, and what to put before its commands."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warrener_workers.nodes.processes import NodeMissing, clean_environment

_DEBIAN = Path("/usr/lib/rabbitmq/lib")


@dataclass(frozen=True)
class InstalledRabbit:
    """A RabbitMQ's own script and its name server; `entered_by` is the start of their command lines,
    for one that is run in surroundings of its own."""

    script: Path
    epmd: str
    entered_by: Sequence[str] = ()

    @property
    def version(self) -> str:
        """Such as 3.10.8, as its directory says."""
        found = re.search(r"rabbitmq_server-([\d.]+\d)", str(self.script))
        return found[1] if found else "unknown"


def this_machines_rabbit() -> InstalledRabbit:
    """The newest that is installed here. Raises NodeMissing."""
    scripts = scripts_under(_DEBIAN)
    if on_path := shutil.which("rabbitmq-server"):
        beside = Path(on_path).resolve()
        if (beside.parent / "rabbitmq-env").exists():
            scripts.append(beside)
    if not scripts:
        looked = f"rabbitmq-server under {_DEBIAN} or on PATH"
        raise NodeMissing("RabbitMQ", looked, "rabbitmq-server")
    newest = max(scripts, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])
    return InstalledRabbit(newest, _find_epmd())


def scripts_under(directory: Path) -> list[Path]:
    """The servers' own scripts; the wrapper that Debian puts on PATH insists on its own user."""
    return list(directory.glob("rabbitmq_server-*/sbin/rabbitmq-server"))


def _find_epmd() -> str:
    path = f"{clean_environment(Path('/'))['PATH']}:/usr/lib/erlang/bin"
    if found := shutil.which("epmd", path=path):
        return found
    raise NodeMissing("Erlang", "epmd on PATH", "rabbitmq-server")
