"""All commands, and what they exit with."""

from __future__ import annotations

import sys

import typer

from warrener import (
    ApiKeyNotFound,
    BrokerUnavailable,
    ConfigurationError,
    ConsumingLost,
    DeadLetterNotFound,
    JobNotFound,
    OperationNotFound,
    ResultError,
    ScheduleNotFound,
    StoreUnavailable,
    SubmissionError,
    WarrenerError,
    WorkerNotFound,
    WorkflowNotFound,
)
from warrener.imports import users_traceback

from ..children import AppBroken, PoolBroken
from . import (
    api,
    audit,
    beat,
    dead_work,
    dev,
    dev_file,
    doctor,
    flow,
    following,
    inspecting,
    jobs,
    keys,
    listing,
    queues,
    schedules,
    submitting,
    worker,
    workers,
    workflow,
)

EXIT_CODES: list[tuple[type[Exception], int]] = [
    (ConfigurationError, 2),
    (PoolBroken, 3),
    (BrokerUnavailable, 4),
    (StoreUnavailable, 4),
    (JobNotFound, 5),
    (WorkerNotFound, 5),
    (WorkflowNotFound, 5),
    (DeadLetterNotFound, 5),
    (OperationNotFound, 5),
    (ApiKeyNotFound, 5),
    (ScheduleNotFound, 5),
    (SubmissionError, 6),
    (ResultError, 7),
    (ConsumingLost, 8),
    (WarrenerError, 1),
]
"""What a script can rely on: the first entry that fits the error."""

app = typer.Typer(
    name="warrener",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def before_any(context: typer.Context) -> None:
    """Run Python functions in the background on RabbitMQ."""
    if context.invoked_subcommand != "dev":
        dev_file.adopt()


app.command("worker")(worker.worker)
app.command("api")(api.api)
app.command("beat")(beat.beat)
app.command("dev")(dev.dev)
app.command("submit")(submitting.submit)
app.command("job")(jobs.job)
app.command("revoke")(jobs.revoke)
app.command("events")(following.events)
app.command("status")(workers.status)
app.command("ping")(workers.ping)
app.command("shutdown")(workers.shutdown)
app.add_typer(listing.commands, name="jobs")
inspecting.commands.command("scheduled")(listing.scheduled)
app.add_typer(inspecting.commands, name="inspect")
app.command("doctor")(doctor.doctor)
app.command("queues")(queues.queues)
app.command("purge")(queues.purge)
app.command("pause")(flow.pause)
app.command("resume")(flow.resume)
app.command("limit")(flow.limit)
app.add_typer(queues.topology_commands, name="topology")
app.add_typer(dead_work.commands, name="dead")
app.command("audit")(audit.audit)
app.add_typer(keys.commands, name="keys")
app.add_typer(schedules.commands, name="schedules")
app.add_typer(workflow.commands, name="workflow")


def exit_code(error: Exception) -> int:
    """The exit code for this error."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def run() -> None:
    """Run the command line; errors of Warrener end it with a message and their exit code."""
    try:
        # Bytes that are not UTF-8 come as these: nothing here could print, send or store them.
        if any("\udc80" <= character <= "\udcff" for character in "".join(sys.argv)):
            raise ConfigurationError(message="an argument is no text: give all of them in UTF-8")
        app()
    except AppBroken as error:
        sys.exit(exit_code(error))
    except (WarrenerError, PoolBroken) as error:
        broken = users_traceback(error) if isinstance(error, WarrenerError) else ""
        sys.stderr.write(f"{broken}warrener: {error}\n")
        if isinstance(error, (BrokerUnavailable, StoreUnavailable)) and dev_file.is_left_behind():
            sys.stderr.write("The `warrener dev` of this folder was killed: start it again.\n")
        sys.exit(exit_code(error))
