"""Server processes that die with the process that started them (Unix; killed for sure on Linux)."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

BOOT_DEADLINE = 60.0

# Runs in the child, before the server: asks the kernel for SIGKILL when the parent dies (1 is
# PR_SET_PDEATHSIG), then looks whether the parent died before it asked. A program of its own and
# not preexec_fn, which may deadlock where the parent has threads and warns of it since 3.12.
_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class NodeError(Exception):
    """A private RabbitMQ or Redis could not be run."""


class NodeMissing(NodeError):
    """The server is not installed."""

    def __init__(self, server: str, looked: str, package: str) -> None:
        super().__init__(
            f"{server} is not installed: no {looked}. Install it with `apt-get install {package}`, "
            "or run `./dev setup` in a checkout of Warrener"
        )


class NodeFailed(NodeError):
    """The server is installed but did not come up."""

    def __init__(self, server: str, reason: str, log: Path, written: str) -> None:
        super().__init__(f"{server} {reason}. Its log {log} says why:\n{_gist(written)}")


class DirectoryInUse(NodeError):
    """Another process runs a private server on this directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"another private server uses {directory}, and two would spoil its data: "
            "end the other one, or name another directory"
        )


class ServerProcess:
    """One server process, its output in a file; can be killed and started again."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self.env = env
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError while it is stopped."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running; call start() first")
        return self._process.pid

    def start(self, is_ready: Callable[[], bool], *, deadline: float = BOOT_DEADLINE) -> None:
        """Start and wait until it is ready; deadline in seconds. Raises NodeFailed.

        Does nothing while the server runs. `is_ready` may block for a few milliseconds.
        """
        if self.launch():
            self.wait(is_ready, deadline=deadline)

    def launch(self) -> bool:
        """Start without waiting; False if the server runs already."""
        if self._process is not None and self._process.poll() is None:
            return False
        self._process = self._spawn()
        return True

    def wait(self, is_ready: Callable[[], bool], *, deadline: float = BOOT_DEADLINE) -> None:
        """Wait until a server that was launched is ready, and kill one that is not in time, in seconds.
        Raises NodeFailed."""
        process, end = self._process, time.monotonic() + deadline
        assert process is not None
        try:
            while not is_ready():
                code = process.poll()
                if code is not None:
                    raise self._failure(f"ended with code {code} while starting")
                if time.monotonic() > end:
                    raise self._failure(f"was not ready within {deadline:.0f} s")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill -9 and reap it, with the processes of its group. Does nothing when stopped."""
        process, self._process = self._process, None
        # Once the leader is reaped, its number may name a group of somebody else's.
        if process is None or process.poll() is not None:
            return
        # Helpers that the server started are in its group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _failure(self, reason: str) -> NodeFailed:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            written = log.read().decode(errors="replace")
        return NodeFailed(self.name, reason, self.log, written)

    def _spawn(self) -> subprocess.Popen[bytes]:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                f"{self.name} was started from the thread {threading.current_thread().name!r}: "
                "the kernel would kill it when that thread ends; start it from the main thread"
            )
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            return subprocess.Popen(
                dying_with_me(self._command),
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the parent, which then stops its servers.
                start_new_session=True,
            )


def dying_with_me(command: Sequence[str]) -> list[str]:
    """The command, started so that the kernel kills it when this process ends, however it ends. Start
    it from the main thread: the kernel means the thread that started it."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def clean_environment(home: Path) -> dict[str, str]:
    """An environment for a server in which nothing of the user's own settings is left."""
    path = os.environ.get("PATH", os.defpath)
    # An ordinary user's PATH lacks the directories where Debian keeps some of the servers.
    return {"PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}


@contextmanager
def locked(directory: Path) -> Iterator[Path]:
    """Create a directory and hold it for this process alone. Raises DirectoryInUse."""
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryInUse(directory) from None
        yield directory


def _gist(written: str) -> str:
    """The first errors of a log and its end: RabbitMQ buries the cause under its own shutdown."""
    lines = [line[:300] for line in written.splitlines() if line.strip()]
    errors = [line for line in lines[:-6] if "[error]" in line][:8]
    return "\n".join([*errors, *lines[-6:]]) or "(it is empty)"
