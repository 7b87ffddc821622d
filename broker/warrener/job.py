"""What a running task is told about its job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

R = TypeVar("R")


def _nowhere(report: dict[str, Any]) -> None:
    """A job made by hand, in a unit test of the function, shows its progress to nobody."""


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
    deadline: float | None = None
    show: Callable[[dict[str, Any]], None] = field(default=_nowhere, repr=False)

    async def report_progress(
        self, done: float, total: float | None = None, note: str = ""
    ) -> None:
        """Show in the job's record how far it has come, in units of the task's own."""
        self.show({"done": done, "total": total, "note": note})

    def report_progress_sync(self, done: float, total: float | None = None, note: str = "") -> None:
        """The same for plain functions."""
        self.show({"done": done, "total": total, "note": note})
