"""`warrener events`, and watching one job to its end."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from warrener import JobNotFound, JobStatus, Warrener
from warrener.client import Client
from warrener.events import Event
from warrener.following import Following, Missed

from .options import Json, OptionalApp, print_text, with_client


def events(
    app: OptionalApp = "",
    queue: Annotated[str, typer.Option(help="Only jobs of this queue.")] = "",
    task: Annotated[str, typer.Option(help="Only jobs of this task.")] = "",
    json: Json = False,
) -> None:
    """Follow what happens, until Ctrl-C: jobs as they change, workers as they come and go."""

    async def call(_: Warrener, client: Client) -> None:
        first = True
        async for one in Following(client).all():
            if first:
                first = False
                typer.echo("warrener: following, until Ctrl-C", err=True)
            if one is None or isinstance(one, Missed):
                continue
            what = one.event
            if what.kind == "job" and (
                queue not in ("", what.queue) or task not in ("", what.task)
            ):
                continue
            _say(what, json)

    with suppress(KeyboardInterrupt):
        with_client(app, call)


def _say(what: Event, json: bool) -> None:
    if json:
        facts = {name: value for name, value in asdict(what).items() if value not in ("", None)}
        typer.echo(orjson.dumps(facts))
        return
    time = datetime.fromtimestamp(what.at, UTC).strftime("%H:%M:%S.%f")[:-3]
    about = [what.task, what.queue, what.worker] if what.kind == "job" else [what.queue]
    details = " ".join([*filter(None, about), _told(what.progress)]).rstrip()
    print_text(f"{time} {what.state:<9} {what.id}  {details}")


def _told(progress: str | None) -> str:
    return shown(orjson.loads(progress)) if progress else ""


def shown(progress: dict[str, Any]) -> str:
    """How far a job is, in words."""
    done, total, note = (progress.get(name) for name in ("done", "total", "note"))
    far = f"{done:g}/{total:g}" if total else f"{done:g}"
    return f"{far} {note}" if note else far


async def watch(
    client: Client, job_id: str, timeout: float | None = None, *, quiet: bool = False
) -> JobStatus:
    """The job once it has ended, or after `timeout` seconds as it stands; until then, a bar for people that
    shows how far it is, and elsewhere, unless `quiet`, a line for each change. Raises JobNotFound."""
    console = Console(stderr=True, highlight=False, markup=False)
    words = TextColumn("{task.description}", markup=False)
    bar = Progress(words, BarColumn(), TaskProgressColumn(), console=console, transient=True)
    task = bar.add_task(job_id, total=None)
    last: JobStatus | None = None
    with bar if console.is_terminal else nullcontext(), suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            async for status in Following(client).job(job_id):
                if status is None:
                    continue
                last = status
                far: dict[str, Any] = status.progress or {}
                said = f"{status.state.value} {shown(far) if far else ''}".rstrip()
                done, total = far.get("done") or 0, far.get("total") or None
                bar.update(task, description=said, completed=done, total=total)
                if not console.is_terminal and not quiet:
                    console.print(f"{job_id} {said}", soft_wrap=True)
    if last is None:
        raise JobNotFound(job_id=job_id)
    return last
