"""The file by which commands find the `warrener dev` that runs in their folder.

`dev` keeps it locked while it lives, and the kernel lets go of the lock however `dev` dies: a file that
nobody holds is only what a killed one has left behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

NAME = "dev.json"
FILE = Path(".warrener") / NAME
SERVERS = ("WARRENER_AMQP_URL", "WARRENER_REDIS_URL")


@contextmanager
def published(file: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """Have commands find these settings while the block runs. Unix only."""
    import fcntl

    # Locked before it has its name, so that nobody ever sees it without its owner.
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=NAME)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, orjson.dumps(settings))
        Path(draft).replace(file)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
    finally:
        os.close(handle)
        Path(draft).unlink(missing_ok=True)


def adopt(file: Path = FILE) -> None:
    """Put the settings of the `dev` that runs here into the environment, where it says nothing of the
    servers: with one of them from there and one from here, jobs and records would part."""
    if any(name in os.environ for name in SERVERS):
        return
    with suppress(OSError, ValueError), file.open("rb") as published:
        if not _is_held(published.fileno()):
            return
        settings: dict[str, str] = orjson.loads(published.read())
        for name, value in settings.items():
            os.environ.setdefault(name, value)


def is_left_behind(file: Path = FILE) -> bool:
    """True if a `dev` of this folder was killed, and its file would have been used."""
    if any(name in os.environ for name in SERVERS):
        return False
    with suppress(OSError), file.open("rb") as published:
        return not _is_held(published.fileno())
    return False


def _is_held(handle: int) -> bool:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows, where `dev` does not run
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
