"""`warrener schedules`: what `warrener beat` submits, and when."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Annotated, Any

import typer

from warrener import Warrener
from warrener.client import Client
from warrener.listed_schedules import ListedSchedule, Schedules
from warrener.schedules import Unreadable
from warrener.scheduling import Scheduled
from warrener.tasks import Options
from warrener.timing import Cron, Every, Timing

from .calls import by_name, call_of, parsed
from .noting import note
from .options import (
    AppPath,
    Json,
    OptionalApp,
    moment,
    print_json,
    print_table,
    print_text,
    with_client,
)

commands = typer.Typer(help="What `warrener beat` submits, and when.", no_args_is_help=True)

NOBODY_LEADS = "no beat leads, so nothing is submitted: start `warrener beat`"
Name = Annotated[str, typer.Argument(help="The schedule's name.")]
Task = Annotated[str, typer.Argument(help="The task's name.")]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(help="name=value; a value that is JSON is taken as JSON, else as text."),
]
CronText = Annotated[
    str | None, typer.Option("--cron", help="Five fields: minute hour day month weekday.")
]
Zone = Annotated[str, typer.Option(help="Of --cron, such as Europe/Vienna.")]
Interval = Annotated[
    int | None, typer.Option("--every", help="Seconds, instead of --cron; whole multiples in UTC.")
]
Kwargs = Annotated[str, typer.Option(help="Named arguments, as a JSON object.")]
Queue = Annotated[str | None, typer.Option(help="Instead of the task's own queue.")]
Expires = Annotated[
    float | None, typer.Option(help="Seconds after which a tick's job no longer begins.")
]
MissedText = Annotated[
    str,
    typer.Option(help="Of ticks over a minute late, run none (skip), one (once), or so many."),
]
OverlapText = Annotated[
    str, typer.Option(help="While the tick before runs: allow, skip, or queue one.")
]


@commands.command("list")
def list_schedules(
    app: OptionalApp = "",
    require_leader: Annotated[
        bool, typer.Option("--require-leader", help="Exit with 1 if no beat leads: a health check.")
    ] = False,
    json: Json = False,
) -> None:
    """The schedules there are: when they are due, what was submitted last, and which beat leads."""

    async def call(
        _: Warrener, schedules: Schedules
    ) -> tuple[str | None, list[ListedSchedule], list[Unreadable]]:
        return await schedules.leader(), *await schedules.all()

    leader, found, unreadable = _with_schedules(app, call)
    if json:
        facts = [one.facts() for one in found]
        not_read = [asdict(one) for one in unreadable]
        print_json({"leader": leader, "schedules": facts, "unreadable": not_read})
    else:
        _print(leader, found, unreadable)
    if require_leader and leader is None:
        raise typer.Exit(1)


def _print(leader: str | None, found: list[ListedSchedule], unreadable: list[Unreadable]) -> None:
    rows = [
        (
            one.schedule.definition.name,
            one.schedule.definition.task,
            str(one.schedule.definition.timing),
            "paused" if one.schedule.paused else moment(one.next),
            moment(one.schedule.fired),
            one.schedule.job_id,
            f"{one.schedule.definition.missed}, {one.schedule.definition.overlap}",
            "code" if one.schedule.in_code else "store",
        )
        for one in found
    ]
    columns = ("name", "task", "due", "next", "last", "job", "missed, overlap", "from")
    print_table(columns, rows, "there are no schedules")
    for one in unreadable:
        print_text(f"{one.name} is not submitted, since it cannot be read: {one.reason}")
    typer.echo(NOBODY_LEADS if leader is None else f"beat: {leader} leads")


def _defining(
    do: Callable[[Schedules, Scheduled], Coroutine[Any, Any, None]], what: str, done: str
) -> Callable[..., None]:
    """A command that defines a schedule, and does this with it."""

    def define(
        app: AppPath,
        name: Name,
        task: Task,
        arguments: Arguments = None,
        cron: CronText = None,
        tz: Zone = "UTC",
        every: Interval = None,
        kwargs: Kwargs = "{}",
        queue: Queue = None,
        expires: Expires = None,
        missed: MissedText = "once",
        overlap: OverlapText = "allow",
    ) -> None:
        timing = _timing(cron, tz, every)
        options = Options(queue=queue, expires=expires)
        named = parsed(kwargs, dict, "object", "--kwargs") | by_name(task, arguments or [])

        async def call(warrener: Warrener, schedules: Schedules) -> None:
            signature = call_of(warrener, task, [], named, options)
            scheduled = Scheduled(name, timing, signature, _missed(missed), _as_is(overlap))
            await do(schedules, scheduled)

        _with_schedules(app, call, what, name)
        typer.echo(f"schedule {name} is {done}")

    return define


ADD = "Make a schedule; it is kept in Redis, beside those in code."
CHANGE = "Define a schedule anew, with all that is wanted of it. One in code is changed there."
commands.command("add", help=ADD)(_defining(Schedules.add, "add", "made"))
commands.command("change", help=CHANGE)(_defining(Schedules.change, "change", "changed"))


@commands.command()
def pause(name: Name, app: OptionalApp = "") -> None:
    """Submit nothing of it until it is resumed, also if it is in code."""
    _with_schedules(app, lambda _, schedules: schedules.pause(name, paused=True), "pause", name)
    typer.echo(f"schedule {name} is paused")


@commands.command()
def resume(name: Name, app: OptionalApp = "") -> None:
    """Go on with it, from its next tick."""
    _with_schedules(app, lambda _, schedules: schedules.pause(name, paused=False), "resume", name)
    typer.echo(f"schedule {name} goes on")


@commands.command()
def remove(name: Name, app: OptionalApp = "") -> None:
    """Forget it. Jobs that were submitted run all the same; one in code is removed there."""
    _with_schedules(app, lambda _, schedules: schedules.remove(name), "remove", name)
    typer.echo(f"schedule {name} is removed")


@commands.command("fire-now")
def fire_now(name: Name, app: AppPath) -> None:
    """Submit its call once, now, beside its ticks and whatever its policies say."""
    typer.echo(_with_schedules(app, lambda _, schedules: schedules.fire_now(name), "fire", name))


def _with_schedules(
    app: str,
    call: Callable[[Warrener, Schedules], Coroutine[Any, Any, Any]],
    what: str = "",
    name: str = "",
) -> Any:
    """Call it; `what` it does to the schedule of this name, if it is said, is noted."""

    async def main(warrener: Warrener, client: Client) -> Any:
        answer = await call(warrener, Schedules(warrener, client))
        if what:
            await note(client, what, schedule=name)
        return answer

    return with_client(app, main)


def _timing(cron: str | None, tz: str, every: int | None) -> Timing:
    if (cron is None) == (every is None):
        raise typer.BadParameter("give either --cron or --every")
    return Cron(cron, tz) if cron is not None else Every(every or 0)


def _missed(text: str) -> Any:
    """Whether it is one is said where a schedule is checked."""
    return int(text) if text.isdecimal() else text


def _as_is(text: str) -> Any:
    return text
