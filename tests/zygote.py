"""What `warrener …` is forked from where tests start it often: a process that has imported the command
line already, which takes longer than most of the tests do. What is forked is in every other way a process
of its own. That Warrener starts without this as well is seen where tests start it by other ways.

It listens on a Unix socket, one connection a process: asked with JSON and the file that becomes standard
output, it answers with the process's id and a handle of it (a pidfd), and with the exit code once it has
ended. A connection that is closed before ends its process, and the end of standard input all and itself.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

LARGEST = 1 << 20
"""Bytes of a request."""


@dataclass(frozen=True)
class Request:
    """What to become."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    output: int


class Zygote:
    """Forks what it is asked for, and tells how it ended."""

    def __init__(self, path: str) -> None:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(path)
        self._listening.listen()
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._living: dict[int, socket.socket] = {}
        self._watched = selectors.DefaultSelector()
        for one in (self._listening, self._woken, sys.stdin):
            self._watched.register(one, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """In the zygote: None, at its end. In what it has forked: what that is to become."""
        while True:
            for key, _ in self._watched.select():
                if key.fileobj is sys.stdin:
                    for pid in self._living:
                        os.killpg(pid, signal.SIGKILL)
                    return None
                if key.fileobj is self._listening:
                    request = self._fork(self._listening.accept()[0])
                    if request is not None:
                        return request
                elif key.fileobj is self._woken:
                    self._woken.recv(LARGEST)
                    self._reap()
                elif key.data in self._living:  # nobody wants it any more
                    os.killpg(key.data, signal.SIGKILL)
                    self._watched.unregister(key.fileobj)

    def _fork(self, connection: socket.socket) -> Request | None:
        text, [output, *_], _, _ = socket.recv_fds(connection, LARGEST, 1)
        pid = os.fork()
        if pid == 0:
            connection.close()
            self._leave()
            return Request(**json.loads(text), output=output)
        os.close(output)
        with contextlib.suppress(PermissionError, ProcessLookupError):  # it has done so itself
            os.setpgid(pid, pid)
        self._living[pid] = connection
        self._watched.register(connection, selectors.EVENT_READ, pid)
        handle = os.pidfd_open(pid)
        socket.send_fds(connection, [b"%d" % pid], [handle])
        os.close(handle)
        return None

    def _leave(self) -> None:
        """In what was forked: nothing of the zygote stays."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._watched.close()
        for one in (self._listening, self._woken, self._wake, *self._living.values()):
            one.close()

    def _reap(self) -> None:
        for pid, connection in list(self._living.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._living[pid]
                with contextlib.suppress(KeyError):
                    self._watched.unregister(connection)
                with contextlib.suppress(BrokenPipeError):
                    connection.send(b"%d" % os.waitstatus_to_exitcode(status))
                connection.close()


def become(request: Request) -> None:
    """Have what a process has that was started by itself: a group, standard streams, an environment."""
    os.setpgid(0, 0)
    os.chdir(request.folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, nothing), (1, request.output), (2, request.output)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(request.output)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = ["warrener", *request.arguments]


def main(path: str) -> Any:
    """Import, listen, and in what is forked go on as `warrener` does."""
    import uvloop  # noqa: F401

    import warrener_workers.launch  # noqa: F401
    from warrener_workers.cli import commands  # noqa: F401
    from warrener_workers.cli import main as warrener

    gc.freeze()
    zygote = Zygote(path)
    print("listens", flush=True)
    request = zygote.serve()
    if request is None:
        return None
    become(request)
    return warrener()


if __name__ == "__main__":
    main(sys.argv[1])
