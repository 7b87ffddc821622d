"""Prometheus metrics, with the extra `prometheus`: what this process publishes, and how the queues and
workers stand, whoever asks."""

from __future__ import annotations

from weakref import WeakSet

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from warrener import Warrener
from warrener.metering import PublishMetrics
from warrener.presence import Presence, PresenceBoard
from warrener.publishing import Publisher
from warrener.queues import Queues, QueueState

from ..answering import route_class
from ..clients import client_of
from ..openapi import operation_ids
from ..problems import problems_with
from ..published import published

_OF_QUEUES = {
    "ready": "Messages that no worker has.",
    "unacked": "Jobs that workers hold.",
    "delayed": "Jobs that wait for their time or their next attempt.",
    "consumers": "Consumers.",
    "dead": "Letters in the dead queue.",
    "paused": "1 while an operator has paused it.",
    "oldest": "Seconds for which the job whose turn it is has waited; 0 if none does.",
}


def routes(app: Warrener) -> APIRouter:
    """/metrics."""
    router = APIRouter(
        tags=["health"],
        route_class=route_class(app),
        generate_unique_id_function=operation_ids("/"),
    )
    own, measured = CollectorRegistry(), WeakSet[Publisher]()
    publishes = PublishMetrics(own)

    @router.get(
        "/metrics",
        name="get_metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **problems_with(503)},
    )
    async def metrics() -> Response:
        """For Prometheus: what this process has published since it was first asked, and how queues and
        workers stand."""
        client = client_of(app)
        if isinstance(client.publisher, Publisher) and client.publisher not in measured:
            measured.add(client.publisher)
            publishes.watch(client.publisher)
        names = {*app.queues, *(entry.queue for entry in (await published(app)).values())}
        states = await Queues(client).states(sorted(names))
        workers = await PresenceBoard(app.settings, client.store).living()
        text = generate_latest(own) + generate_latest(_standing(states, workers))
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _standing(states: list[QueueState], workers: list[Presence]) -> CollectorRegistry:
    registry = CollectorRegistry()
    for name, said in _OF_QUEUES.items():
        unit = "_seconds" if name == "oldest" else ""
        gauge = Gauge(f"warrener_queue_{name}{unit}", said, ("queue",), registry=registry)
        for state in states:
            gauge.labels(state.name).set(float(getattr(state, name) or 0))
    Gauge("warrener_workers", "Living workers.", registry=registry).set(len(workers))
    for name, said in (("busy", "Jobs that it holds."), ("memory", "Bytes of its processes.")):
        unit = "_bytes" if name == "memory" else ""
        gauge = Gauge(f"warrener_worker_{name}{unit}", said, ("worker",), registry=registry)
        for worker in workers:
            gauge.labels(worker.name).set(getattr(worker, name))
    return registry
