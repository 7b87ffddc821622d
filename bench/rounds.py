"""One run of the bench: what was asked for, the servers, and rounds in which the sides take turns."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import redis
from rich.console import Console

from warrener_workers.nodes import RabbitNode, RedisNode

from .bars import OURS, Found
from .sides import REFERENCES, Servers, Side, sides
from .watching import Missing

T = TypeVar("T")
FAILURES = 2
"""A side that failed so often is left out of the rounds that follow: each failure can take minutes."""


@dataclass(frozen=True)
class Run:
    """What the parts are given."""

    rabbit: RabbitNode
    store: RedisNode
    console: Console
    peers: str | None
    """A Python that has the peers."""
    jobs: int
    rounds: int
    slots: tuple[int, ...]
    quick: bool

    @property
    def how(self) -> str:
        """That it was quick, where it was."""
        return ", --quick" if self.quick else ""

    def ours(self, slots: int) -> Side:
        """Our own side, of which the bars are."""
        return next(side for side in sides(None, slots) if side.name == OURS)

    def sides(self, slots: int, *, without: tuple[str, ...] = REFERENCES) -> list[Side]:
        """Those who take part; a quick run has one of ours."""
        left_out = (*without, "Warrener (plain)", *REFERENCES) if self.quick else without
        return [side for side in sides(self.peers, slots) if side.name not in left_out]

    @contextmanager
    def place(self, name: str, kind: str = "quorum", database: int = 0) -> Iterator[Servers]:
        """A virtual host of its own and an empty Redis, so that nothing of another part is in the way."""
        self.rabbit.manage("PUT", f"/api/vhosts/{name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.rabbit.manage("PUT", f"/api/permissions/{name}/guest", everything)
        url = f"{self.store.url.rpartition('/')[0]}/{database}"
        with redis.Redis.from_url(url) as client:
            client.flushdb()
            try:
                yield Servers(f"{self.rabbit.amqp_url}{name}", url, kind)
            finally:
                client.flushdb()
                self.rabbit.manage("DELETE", f"/api/vhosts/{name}")

    def attempt(self, what: str, who: str, measure: Callable[[], T]) -> T | None:
        """What it measures. A side that fails is named, and the rest goes on."""
        try:
            found = measure()
        except Exception as error:
            # Whatever it is, an hour of other figures must not go with it.
            expected = isinstance(error, Missing | subprocess.CalledProcessError | OSError)
            self.console.print(f"{what}: {who}: left out: {error}", markup=False)
            if not expected:
                self.console.print_exception(max_frames=4)
            self._purge()
            return None
        if not isinstance(found, Found):  # a whole part has printed its sides
            self.console.print(f"{what}: {who}: {shown(found)}", markup=False)
        return found

    def _purge(self) -> None:
        for queue in self.rabbit.manage("GET", "/api/queues?columns=name,vhost"):
            path = f"/api/queues/{queue['vhost'].replace('/', '%2F')}/{queue['name']}/contents"
            try:
                self.rabbit.manage("DELETE", path)
            except OSError as error:
                self.console.print(f"could not purge {queue['name']}: {error}", markup=False)

    def interleaved(
        self, what: str, measures: Mapping[str, Callable[[], T]]
    ) -> dict[str, list[T | None]]:
        """The figures of each in all rounds. They take turns, and each round begins with another."""
        found: dict[str, list[T | None]] = {name: [] for name in measures}
        names = list(measures)
        for number in range(self.rounds):
            first = number % max(1, len(names))
            for name in (*names[first:], *names[:first]):
                tired = found[name].count(None) >= FAILURES
                one = None if tired else self.attempt(what, name, measures[name])
                found[name].append(one)
        return found

    def with_rounds(self, rounds: int) -> Run:
        """The same with so many at most."""
        return replace(self, rounds=min(rounds, self.rounds))


def shown(found: Any) -> str:
    """Figures as they are printed while it runs."""
    if isinstance(found, float):
        return f"{found:,.2f}"
    if isinstance(found, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in found.items())
    return ", ".join(map(shown, found)) if isinstance(found, tuple | list) else str(found)
