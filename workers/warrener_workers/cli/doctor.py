"""`warrener doctor`."""

from __future__ import annotations

from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Annotated

import typer

from warrener import StoreUnavailable, Warrener, WarrenerError, topology
from warrener.client import Client

from ..doctor import broker, store, timeouts
from ..doctor.findings import Finding, Level, not_seen, ok, problem
from ..doctor.looking import look_at_broker, look_at_store
from ..doctor.timeouts import TaskFacts
from .options import Json, OptionalApp, known_queues, print_json, print_text, with_client

EXIT_PROBLEM = 9


def doctor(
    app: OptionalApp = "",
    management: Annotated[
        str,
        typer.Option(
            envvar="WARRENER_MANAGEMENT_URL",
            help="RabbitMQ's management API; without one, it is tried 10,000 ports above AMQP.",
        ),
    ] = "",
    consumer_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Seconds: consumer_timeout of the server, which no API tells."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look for what breaks promises: servers, topology, policies, clocks. Changes nothing."""

    async def call(warrener: Warrener, client: Client) -> list[Finding]:
        found, queues = await _store(warrener, client)
        return found + await _broker(warrener, queues, management, consumer_timeout, bool(app))

    found = with_client(app, call)
    if json:
        print_json([asdict(one) for one in found])
    else:
        _print(found)
    if any(one.level is Level.PROBLEM for one in found):
        raise typer.Exit(EXIT_PROBLEM)


async def _store(app: Warrener, client: Client) -> tuple[list[Finding], list[str]]:
    """The findings of Redis, and the queues that are known."""
    lifetime = app.settings.presence_lifetime
    try:
        facts = await look_at_store(app.settings, client)
        queues = await known_queues(app, client)
    except StoreUnavailable as error:
        return [problem("Redis does not answer", str(error), "Start it.")], app.queues
    found = store.findings(facts, lifetime)
    if not facts.presences:
        return [*found, ok("no worker lives: their clocks were not compared")], queues
    return found, queues


async def _broker(
    app: Warrener, queues: list[str], management: str, server: float | None, named: bool
) -> list[Finding]:
    settings = app.settings
    stages = [topology.stage(settings, queue) for queue in queues]
    wanted = reduce(add, stages, topology.shared(settings))
    try:
        facts = await look_at_broker(settings, wanted, management)
    except WarrenerError as error:
        return [problem("RabbitMQ cannot be looked at", str(error), "See the reason.")]
    found = broker.findings(facts, wanted, queues, settings)
    if not named:
        remedy = "Give the app: --app module:attribute (WARRENER_APP)."
        return [*found, not_seen("time limits", "without an app no task is known", remedy)]
    tasks = [
        TaskFacts(name, app.queue_of(task), task.settings.time_limit)
        for name, task in app.tasks.items()
    ]
    return found + timeouts.findings(facts, tasks, settings.queue_type, server)


def _print(found: list[Finding]) -> None:
    for one in found:
        print_text(f"{one.level.value:<8} {one.what}")
        for text in filter(None, (one.why, one.remedy)):
            print_text(f"{'':<8}   {text}")
    count = {level: sum(one.level is level for one in found) for level in Level}
    print_text(f"{count[Level.PROBLEM]} problem(s), {count[Level.WARNING]} warning(s)")
