"""`warrener worker`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from warrener import ConfigurationError

from .. import logs
from ..child_process import ChildSettings
from ..launch import run_worker
from ..recycling import Recycling, can_measure
from ..solo import run_solo
from ..worker_settings import WorkerSettings, default_name
from .options import AppPath, LogFormat, LogLevel

Name = Annotated[str, typer.Option(help="Unique among living workers.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", "-c", min=1, help="Jobs at once, per queue and process.")
]
Processes = Annotated[int, typer.Option(min=1, help="Child processes.")]
Pool = Annotated[
    str,
    typer.Option("--pool", "-P", help="processes, or solo: in the main thread, for breakpoint()."),
]
Prefetch = Annotated[
    int, typer.Option(min=0, help="Deliveries held per queue; 0 for as many as slots.")
]
MaxJobs = Annotated[
    int, typer.Option(min=0, help="Jobs after which a child process is replaced; 0 for never.")
]
MaxMemory = Annotated[
    int, typer.Option(min=0, help="Megabytes beyond which one is replaced; 0 for never.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        envvar="WARRENER_METRICS_PORT",
        help="Serve Prometheus metrics there, at /metrics.",
    ),
]
MetricsHost = Annotated[
    str, typer.Option(envvar="WARRENER_METRICS_HOST", help="Address to serve them on.")
]


def worker(
    queues: Annotated[list[str], typer.Argument(help="Queues to work on.")],
    app: AppPath,
    name: Name = "",
    concurrency: Concurrency = 4,
    processes: Processes = 1,
    pool: Pool = "processes",
    prefetch: Prefetch = 0,
    max_jobs_per_child: MaxJobs = 0,
    max_memory_per_child: MaxMemory = 0,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
) -> None:
    """Run jobs from these queues until stopped. Ctrl-C or SIGTERM lets running jobs finish."""
    if log_format not in ("text", "json"):
        raise typer.BadParameter("text or json", param_hint="--log-format")
    recycling = Recycling(max_jobs_per_child or None, max_memory_per_child or None)
    solo = _is_solo(pool, recycling)
    name = name or default_name()
    logs.configure(log_level, log_format, name)
    mine = WorkerSettings(
        name=name,
        queues=tuple(dict.fromkeys(queues)),
        concurrency=1 if solo else concurrency,
        processes=1 if solo else processes,
        pool=pool,
        prefetch=prefetch or None,
        recycling=recycling,
        attach=() if metrics_port is None else (_metrics(metrics_port, metrics_host),),
    )
    children = ChildSettings(app, name, mine.slots_per_child, log_level, log_format)
    if solo:
        typer.echo(
            "solo: one job at a time in the main thread; time limits, soft and hard, are off",
            err=True,
        )
        run_solo(mine, children)
    else:
        run_worker(mine, children)


def _is_solo(pool: str, recycling: Recycling) -> bool:
    """Raises BadParameter for a pool that does not exist, or that cannot do what is asked."""
    if pool not in ("processes", "solo"):
        raise typer.BadParameter("processes or solo", param_hint="--pool")
    if pool == "solo" and (recycling.max_jobs or recycling.max_memory):
        raise typer.BadParameter("a solo worker has no child to replace", param_hint="--pool")
    if recycling.max_memory and not can_measure():
        hint = "--max-memory-per-child"
        raise typer.BadParameter("it needs Linux's /proc, which is not here", param_hint=hint)
    return pool == "solo"


def _metrics(port: int, host: str) -> Any:
    try:
        from ..metrics import serving
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        message = "metrics need another package: pip install 'warrener[prometheus]'"
        raise ConfigurationError(message=message) from error
    return serving(port, host)
