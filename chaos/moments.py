"""Moments that a rule guards, and whether a fault has fallen into one: told by empty files, between the
processes of a run in which a rule is off. So neither luck nor speed decides whether its lack is seen."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_numbers = itertools.count()


class Moments:
    """Those of one run, in this folder."""

    def __init__(self, folder: Path) -> None:
        self._owing = folder / "owing"
        self._claimed = folder / "claimed"
        self._between = folder / "between"
        for place in (self._owing, self._claimed, self._between):
            place.mkdir(exist_ok=True)

    @contextmanager
    def owing(self) -> Iterator[None]:
        """This process has recorded an end, and not published what follows."""
        mark = self._owing / f"{os.getpid()}.{next(_numbers)}"
        mark.touch()
        yield
        mark.unlink()

    def claimed(self, job_id: str, generation: int) -> None:
        """A worker has been told what becomes of this generation's message."""
        (self._claimed / f"{job_id}.{generation}").touch()

    def is_claimed(self, job_id: str, generation: int) -> bool:
        """True once one has."""
        return (self._claimed / f"{job_id}.{generation}").exists()

    def claimed_between(self, job_id: str) -> None:
        """One has, between the publish of a replay and its record."""
        (self._between / job_id).touch()

    def met(self, rule: str) -> bool:
        """True once a fault has fallen into a moment that this rule guards; with "none", into both."""
        killed = any(
            not psutil.pid_exists(int(mark.name.split(".")[0])) for mark in self._owing.iterdir()
        )
        between = any(self._between.iterdir())
        return {"owed": killed, "generations": between}.get(rule, killed and between)
