"""The demo's processes: a private broker and store, the site, three workers and the API."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from warrener_workers.nodes import private_rabbitmq, private_redis
from warrener_workers.nodes.ports import free_ports
from warrener_workers.nodes.processes import dying_with_me

APP = "examples.scan:app"
STAGES = ("discovery", "analysis", "report")
ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10.0

T = TypeVar("T")


class DemoFailed(Exception):
    """Something the demo shows did not happen."""


def until(what: str, ready: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Ask until the answer is neither None nor False; raises DemoFailed after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ready()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


@dataclass(slots=True)
class Crew:
    """Processes that log to a file each, and that do not outlive the demo however it ends."""

    logs: Path
    env: Mapping[str, str]
    members: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Start `python -m module`; call it from the main thread."""
        command = [sys.executable, "-m", module, *arguments]
        with (self.logs / f"{name}.log").open("wb") as log:
            self.members[name] = subprocess.Popen(
                dying_with_me(command),
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise DemoFailed if a process has ended."""
        for name, process in self.members.items():
            if process.poll() is not None:
                raise DemoFailed(f"{name} ended with exit code {process.returncode}")

    def stop(self) -> None:
        """End all of them: asked first, and killed after ten seconds."""
        for process in reversed(self.members.values()):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.members.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def tails(self, lines: int = 25) -> Iterator[tuple[str, str]]:
        """The last lines of each log that has any."""
        for log in sorted(self.logs.glob("*.log")):
            text = log.read_text(errors="replace").splitlines()[-lines:]
            if text:
                yield log.name, "\n".join(text)


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything is."""

    crew: Crew
    site_url: str
    api_url: str
    amqp_url: str
    redis_url: str


@contextmanager
def running_stack(directory: Path, reports: Path) -> Iterator[Stack]:
    """Start everything, one process after another; end it in the reverse order."""
    logs = directory / "logs"
    logs.mkdir(parents=True)
    with ExitStack() as running:
        broker = running.enter_context(private_rabbitmq(directory / "rabbitmq"))
        store = running.enter_context(private_redis(directory / "redis"))
        crew = Crew(logs, _environment(broker.amqp_url, store.url, reports))
        running.callback(crew.stop)
        site, api = map(str, free_ports(2))
        crew.start("site", "examples.scan.site", "--port", site)
        for stage in STAGES:
            worker = ("worker", f"scan.{stage}", "--app", APP, "--name", f"{stage}-1", "-c", "4")
            crew.start(f"worker-{stage}", "warrener_workers.cli", *worker)
        address = ("--host", "127.0.0.1", "--port", api)
        crew.start("api", "warrener_workers.cli", "api", "--app", APP, *address)
        yield Stack(
            crew=crew,
            site_url=f"http://127.0.0.1:{site}/",
            api_url=f"http://127.0.0.1:{api}",
            amqp_url=broker.amqp_url,
            redis_url=store.url,
        )


def _environment(amqp_url: str, redis_url: str, reports: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return os.environ | {
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "WARRENER_AMQP_URL": amqp_url,
        "WARRENER_REDIS_URL": redis_url,
        "WARRENER_SCAN_REPORTS": str(reports),
    }
