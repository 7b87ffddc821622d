"""`warrener doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Annotated

import typer

from warrener import QueueNameError, Settings, StoreUnavailable, Warrener, WarrenerError, topology
from warrener.client import Client
from warrener.listed_schedules import Schedules

from ..doctor import broker, store, timeouts
from ..doctor.broker import BrokerFacts
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
            min=0.001,
            envvar="WARRENER_CONSUMER_TIMEOUT",
            help="Seconds: consumer_timeout of the server, which no API tells.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look for what breaks promises: servers, topology, policies, clocks. Changes nothing."""

    async def call(warrener: Warrener, client: Client) -> list[Finding]:
        found, queues, unfinished = await _store(warrener, client)
        facts, seen = await _broker(warrener, queues, management, unfinished)
        if facts is None:
            return found + seen
        return found + seen + _limits(warrener, facts, consumer_timeout, bool(app))

    found = with_client(app, call)
    if json:
        print_json([asdict(one) for one in found])
    else:
        _print(found)
    if any(one.level is Level.PROBLEM for one in found):
        raise typer.Exit(EXIT_PROBLEM)


async def _store(
    app: Warrener, client: Client
) -> tuple[list[Finding], list[str], Mapping[str, int]]:
    """The findings of Redis, the queues that are known, and the unfinished jobs of each queue."""
    lifetime = app.settings.presence_lifetime
    try:
        facts = await look_at_store(app.settings, client)
        queues = await known_queues(app, client)
    except StoreUnavailable as error:
        return [problem("Redis does not answer", str(error), "Start it.")], app.queues, {}
    found = store.findings(facts, lifetime)
    schedules = Schedules(app, client)
    readable, unreadable = await schedules.all()
    found += store.beats(await schedules.leader(), len(readable) or len(app.schedules))
    found += store.unreadable_schedules(unreadable)
    if not facts.presences:
        found.append(ok("no worker lives: their clocks were not compared"))
    return found, queues, facts.unfinished


async def _broker(
    app: Warrener, queues: list[str], management: str, unfinished: Mapping[str, int]
) -> tuple[BrokerFacts | None, list[Finding]]:
    settings = app.settings
    stages = [topology.stage(settings, queue) for queue in queues]
    wanted = reduce(add, stages, topology.shared(settings))
    others = [queue for queue in unfinished if _is_name(queue, settings)]
    try:
        facts = await look_at_broker(settings, wanted, management, others)
    except WarrenerError as error:
        return None, [problem("RabbitMQ cannot be looked at", str(error), "See the reason.")]
    found = broker.findings(facts, wanted, queues, settings)
    return facts, found + broker.orphans(facts, unfinished)


def _is_name(queue: str, settings: Settings) -> bool:
    with suppress(QueueNameError):
        return bool(topology.check_queue_name(queue, settings.namespace))
    return False


def _limits(app: Warrener, facts: BrokerFacts, server: float | None, named: bool) -> list[Finding]:
    if not named:
        remedy = "Give the app: --app module:attribute (WARRENER_APP)."
        return [not_seen("time limits", "without an app no task is known", remedy)]
    tasks = [
        TaskFacts(name, app.queue_of(task), task.settings.time_limit)
        for name, task in app.tasks.items()
    ]
    return timeouts.findings(facts, tasks, app.settings.queue_type, server)


def _print(found: list[Finding]) -> None:
    for one in found:
        print_text(f"{one.level.value:<8} {one.what}")
        for text in filter(None, (one.why, one.remedy)):
            print_text(f"{'':<8}   {text}")
    count = {level: sum(one.level is level for one in found) for level in Level}
    print_text(f"{count[Level.PROBLEM]} problem(s), {count[Level.WARNING]} warning(s)")
