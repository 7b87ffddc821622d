"""When a child process has done enough, or grown too large, and another takes its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .child_process import Child

MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Recycling:
    """The jobs that a child may begin, and the resident memory in megabytes that it may hold."""

    max_jobs: int | None = None
    max_memory: int | None = None

    def worn(self, child: Child) -> str:
        """Why this child is to be replaced now that it has begun a job; empty if it is not."""
        if self.max_jobs and child.begun >= self.max_jobs:
            return f"it has begun {child.begun} job(s)"
        return ""

    def large(self, child: Child) -> str:
        """The same for the memory that it holds now. One that has begun nothing stays: its successor
        would be no smaller."""
        if self.max_memory and child.begun and child.pid:
            held = resident(child.pid)
            if held > self.max_memory * MEGABYTE:
                return f"it holds {held // MEGABYTE} MB, more than {self.max_memory}"
        return ""


def can_measure() -> bool:
    """True where resident() knows (Linux)."""
    return bool(resident(os.getpid()))


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, without its own children; 0 if it is gone, or where nobody
    says."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
