"""Prometheus: what is published, by whoever publishes. An optional part (the extra `prometheus`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from .dead_letters import REASON
from .errors import WarrenerError
from .outgoing import Outgoing
from .publishing import Publisher

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds in seconds, for what takes a round trip or two."""
LONG = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)
"""The same for work."""
_MOST = 500
OTHERS = "(others)"


class Names:
    """The first so many names that are met; all others are one: anybody may send messages of any task, and
    each name would be a series for ever."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, name: str) -> str:
        """The name as a label."""
        if name not in self._known:
            if len(self._known) >= _MOST:
                return OTHERS
            self._known.add(name)
        return name


class PublishMetrics:
    """Counts and times publishes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._names = Names()
        self._published = Counter(
            "warrener_published",
            "Messages published, by how that ended: confirmed, or the error's name. `kind` is job, delayed "
            "(with a countdown, or a retry) or dead_letter.",
            ("queue", "kind", "outcome"),
            registry=registry,
        )
        self._reasons = Names()
        self._dead = Counter(
            "warrener_dead_letters",
            "Letters that were published to a dead queue, by reason; one whose dead queue was gone twice.",
            ("queue", "reason"),
            registry=registry,
        )
        self._seconds = Histogram(
            "warrener_publish_seconds",
            "Time until RabbitMQ confirmed a message and those that were written with it.",
            registry=registry,
            buckets=QUICK,
        )

    def watch(self, publisher: Publisher) -> None:
        """Count what this one publishes."""
        publisher.watchers.append(self._saw)

    def _saw(self, outgoing: Outgoing, seconds: float, error: BaseException | None) -> None:
        kind = "dead_letter" if outgoing.dead else "delayed" if outgoing.delay > 0 else "job"
        outcome = "confirmed" if error is None else "cancelled"
        if isinstance(error, WarrenerError):
            outcome = type(error).__name__
        self._published.labels(self._names.of(outgoing.queue), kind, outcome).inc()
        if error is None:
            self._seconds.observe(seconds)
            if outgoing.dead:
                reason = str(outgoing.message.extra.get(REASON, "undelivered"))
                self._dead.labels(self._names.of(outgoing.queue), self._reasons.of(reason)).inc()
