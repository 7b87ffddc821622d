"""The end of the server: streams of events have none of their own, and a server waits for all answers."""

from __future__ import annotations

import signal
import threading
from types import FrameType

ending = threading.Event()
"""Set once this process was asked to stop."""


def notice() -> None:
    """Set `ending` when a signal asks this process to stop, beside what the server itself does then. From
    the main thread; in another one signals are not to be had, and nothing is noticed."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            _notice(number)


def _notice(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def stop(signum: int, frame: FrameType | None) -> None:
        ending.set()
        if callable(before):
            before(signum, frame)

    if callable(before):  # without the server's own handler there is nothing to stop beside
        signal.signal(number, stop)
