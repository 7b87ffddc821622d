"""Prometheus metrics of one worker, served over HTTP (`--metrics-port`). An optional part: the worker knows
nothing of it, and without the option nothing of it is loaded."""

from __future__ import annotations

import threading
import time
from collections import Counter as Tallied
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from warrener.errors import ConfigurationError
from warrener.metering import LONG, QUICK, Names, PublishMetrics
from warrener.publishing import Publisher

from .deliveries import Run
from .outcomes import Ending
from .parts import Parts
from .tally import outcome_of


class WorkerMetrics:
    """Counts what one worker does."""

    def __init__(self, registry: CollectorRegistry, parts: Parts) -> None:
        self._names = Names()
        names = ("task", "queue")
        self._jobs = Counter(
            "warrener_jobs",
            "Runs that ended, by outcome: succeeded, retried, failed, revoked or deferred.",
            (*names, "outcome"),
            registry=registry,
        )
        self._run = Histogram(
            "warrener_run_seconds", "Time that runs took.", names, registry=registry, buckets=LONG
        )
        self._wait = Histogram(
            "warrener_wait_seconds",
            "Time from when a job was submitted, or was due, until it began.",
            names,
            registry=registry,
            buckets=LONG,
        )
        self._settle = Histogram(
            "warrener_settle_seconds",
            "Time from the end of a run until its message was settled.",
            registry=registry,
            buckets=QUICK,
        )
        parts.tally.watchers.append(self._ended)
        if isinstance(parts.client.publisher, Publisher):
            PublishMetrics(registry).watch(parts.client.publisher)
        registry.register(_State(parts))

    def _ended(self, run: Run, decision: Ending, now: float) -> None:
        task, queue = self._names.of(run.message.task), run.delivery.queue
        self._jobs.labels(task, queue, outcome_of(decision) or "deferred").inc()
        if run.begun:
            self._run.labels(task, queue).observe(max(0.0, now - run.started))
            since = run.message.due or run.message.created
            if since:
                self._wait.labels(task, queue).observe(max(0.0, run.started - since))
        run.delivery.on_settled = _timed(run.delivery.on_settled, self._settle.observe)


def _timed(before: Callable[[], None] | None, observe: Callable[[float], None]) -> Any:
    began = time.perf_counter()

    def settled() -> None:
        observe(time.perf_counter() - began)
        if before is not None:
            before()

    return settled


class _State(Collector):
    """What is so when somebody asks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Told by another thread than the worker's: everything is read in one step each."""
        runs = list(self._parts.context.active.values())
        held = Tallied((run.delivery.queue, run.begun) for run in runs)
        flying = GaugeMetricFamily(
            "warrener_in_flight",
            "Jobs that this worker holds; begun ones have a process.",
            labels=["queue", "begun"],
        )
        for queue in self._parts.presence.queues:
            for begun in (True, False):
                flying.add_metric([queue, str(begun).lower()], held[queue, begun])
        yield flying
        slots = self._parts.presence.slots
        yield GaugeMetricFamily("warrener_slots", "Jobs that it can run at once.", value=slots)
        yield CounterMetricFamily(
            "warrener_reconnects",
            "Times that its consumers were lost and had to be restored.",
            value=self._parts.consumer.losses,
        )


def serving(port: int, host: str) -> Callable[[Parts], Callable[[], None]]:
    """What attaches metrics to a worker and serves them; its answer ends that. Port 0 is any. Raises
    ConfigurationError if it cannot listen."""

    def attach(parts: Parts) -> Callable[[], None]:
        registry = CollectorRegistry()
        WorkerMetrics(registry, parts)
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            message = f"metrics cannot be served on port {port} of {host}: {error.strerror}"
            raise ConfigurationError(message=message) from error
        return lambda: _end(server, thread)

    return attach


def _end(server: WSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()
