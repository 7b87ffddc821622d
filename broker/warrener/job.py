"""What a running task is told about its job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from .errors import JobRevoked

R = TypeVar("R")


def _nowhere(report: dict[str, Any]) -> None:
    """A job made by hand, in a unit test of the function, shows its progress to nobody."""


class Revocation:
    """Whether somebody has asked a run to end, and how its coroutine learns of it. For any thread."""

    def __init__(self) -> None:
        self.asked = False
        self._cancel: Callable[[], object] | None = None

    def ask(self) -> None:
        """Ask it to end: its coroutine is cancelled, once."""
        if not self.asked:
            self.asked = True
            if self._cancel is not None:
                self._cancel()

    def cancels_me(self) -> None:
        """Cancel the current task when asked, until spares_me()."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        if self.asked:
            task.cancel()

    def spares_me(self) -> None:
        """Cancel nothing any more."""
        self._cancel = None


@dataclass(frozen=True)
class Job(Generic[R]):
    """Declare a parameter of this type, and the running job is passed in; those who send the task do
    not see it. Times are Unix seconds.

    `resources` is what the app's lifespan gave; `deadline` is when the time limit ends the run.
    """

    id: str
    resources: R
    task: str = ""
    queue: str = ""
    attempt: int = 1
    generation: int = 0
    created: float = 0.0
    due: float | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """What its message carried besides, such as the context of a trace."""
    deadline: float | None = None
    show: Callable[[dict[str, Any]], None] = field(default=_nowhere, repr=False)
    revocation: Revocation = field(default_factory=Revocation, repr=False)

    @property
    def revoked(self) -> bool:
        """True once somebody has revoked this job. A coroutine is cancelled then, at its next await; a
        plain function looks here between two pieces of its work, and returns or raises."""
        return self.revocation.asked

    def check_revoked(self) -> None:
        """Raises JobRevoked if somebody has revoked this job."""
        if self.revoked:
            raise JobRevoked(job_id=self.id, reason="it was asked to end")

    async def report_progress(
        self, done: float, total: float | None = None, note: str = ""
    ) -> None:
        """Show in the job's record how far it has come, in units of the task's own."""
        self.show({"done": done, "total": total, "note": note})

    def report_progress_sync(self, done: float, total: float | None = None, note: str = "") -> None:
        """The same for plain functions."""
        self.show({"done": done, "total": total, "note": note})
