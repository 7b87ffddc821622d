"""What the commands share: options, the app, and printing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import to_json
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from warrener import Warrener
from warrener.client import Client
from warrener.loading import load_app

from .. import loops

T = TypeVar("T")

AppPath = Annotated[
    str,
    typer.Option("--app", envvar="WARRENER_APP", help="The app, as module:attribute."),
]
OptionalApp = Annotated[
    str,
    typer.Option(
        "--app",
        envvar="WARRENER_APP",
        help="The app, as module:attribute; without one, settings come from the environment.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _known_level(text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter(f"{text!r} is none of debug, info, warning, error")
    return text.lower()


LogLevel = Annotated[
    str, typer.Option(help="debug, info, warning or error.", callback=_known_level)
]
LogFormat = Annotated[str, typer.Option(help="text or json.")]

# Most of what is printed was written by others: errors, names, paths. Nothing in it is markup.
console = Console(
    width=None if sys.stdout.isatty() else 200, markup=False, emoji=False, highlight=False
)


_TIME = "%Y-%m-%d %H:%M:%SZ"


def with_client(path: str, call: Callable[[Warrener, Client], Awaitable[T]]) -> T:
    """Load the app, connect, call, close. Raises what loading and calling raise."""
    # What aiormq logs of a connection that fails, the error says as well, and better.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    app = load_app(path) if path else Warrener()

    async def main() -> T:
        async with app:
            client = app.backend()
            assert isinstance(client, Client)
            return await call(app, client)

    return loops.run(main())


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Shows a count that grows, on standard error and only to people."""
    told = Console(stderr=True, highlight=False)
    if quiet or not told.is_terminal:
        yield lambda _: None
        return
    with told.status(f"0 {what}") as status:
        yield lambda count: status.update(f"{count:,} {what}")


async def known_queues(app: Warrener, client: Client) -> list[str]:
    """The queues of the app's tasks, and of those that workers have published."""
    published = {entry.queue for entry in await client.catalogue.all()}
    return sorted(published | set(app.queues))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(to_json(value, fallback=str, indent=2))


def print_text(text: str) -> None:
    """A text as it is, broken into lines by nobody but its reader's terminal: it may be copied."""
    console.print(text, soft_wrap=True)


def print_fact(name: str, value: object, width: int) -> None:
    """A name, right-aligned in so many columns, and its value as it is."""
    console.print(Text.assemble((f"{name:>{width}}", "bold"), f"  {value}"), soft_wrap=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """A table for people, or the sentence that says why there is none."""
    console.print(table_of(columns, rows, empty))


def table_of(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> RenderableType:
    """The same, to print."""
    if not rows:
        return Text(empty)
    table = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        # Ids are for copying, so the first column is never cut; the others stay on one line.
        whole = number == 0
        table.add_column(column, no_wrap=True, overflow="fold" if whole else "ellipsis")
        table.columns[-1].min_width = max(len(str(row[number])) for row in rows) if whole else None
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    return table


def span(seconds: float | None) -> str:
    """A duration for people, in one or two units; nothing for none."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    for most, unit, name, lesser in ((3600, 60, "min", "s"), (86_400, 3600, "h", "min")):
        if seconds < most:
            return f"{seconds // unit:.0f} {name} {seconds % unit * 60 // unit:.0f} {lesser}"
    return f"{seconds // 86_400:.0f} d {seconds % 86_400 // 3600:.0f} h"


def moment(seconds: float | None) -> str:
    """A time for people, in UTC; nothing for what is no time of the calendar."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).strftime(_TIME) if seconds else ""
    return ""
