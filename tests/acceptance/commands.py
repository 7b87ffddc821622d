"""`warrener …` run to its end, in forks of one process that has imported the command line already: a
Python of its own for each of the many commands would take most of the tests' time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.support import PATIENCE


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Commands:
    """Runs commands, one at a time; what they fork from starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], typed: str) -> Done:
        """`warrener` with these arguments, this environment and this on its standard input. One that
        hangs is ended by SIGALRM."""
        with self._lock, tempfile.TemporaryDirectory(prefix="warrener-") as folder:
            (Path(folder) / "stdin").write_text(typed)
            request = {"arguments": arguments, "environment": dict(environment), "folder": folder}
            server = self._server = self._server or _start()
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            out, err = ((Path(folder) / name).read_text() for name in ("stdout", "stderr"))
        return Done(code, out, err)

    def close(self) -> None:
        """End what they fork from."""
        if self._server is not None:
            self._server.communicate()
            self._server = None


COMMANDS = Commands()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _serve() -> None:
    # Imported, and so shared by all forks; nothing here opens a connection or starts a thread.
    import uvloop  # noqa: F401

    from warrener_workers.cli import commands  # noqa: F401

    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            _become(**json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(arguments: list[str], environment: dict[str, str], folder: str) -> NoReturn:
    """Be the command, as if started with these files as its standard streams."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if name == "stdin" else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(Path(folder) / name, flags, 0o600), number)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["warrener", *arguments]
    signal.alarm(int(PATIENCE))
    code = 1
    try:
        from warrener_workers.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
