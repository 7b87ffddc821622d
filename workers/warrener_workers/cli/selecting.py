"""The options that say which dead letters are meant, the same for each command that takes them."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from warrener.selecting import MOST, Selection

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw]?)")


def seconds_of(text: str) -> float:
    """An age such as 90, 15m, 2h or 7d in seconds."""
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no age: give a number and s, m, h, d or w, such as 2h"
        )
    return float(found[1]) * _UNITS[found[2] or "s"]


def _options(
    id: Annotated[
        list[str] | None, typer.Option(help="A letter's or a job's id; repeatable.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only this task's.")] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only this exception's, such as TimeoutError.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only this reason's, such as worker_lost.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only this group's: see `dead groups`.")] = None,
    text: Annotated[
        str | None,
        typer.Option(help="Only with this text in the first 1,000 bytes of message or arguments."),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(parser=seconds_of, metavar="AGE", help="Such as 90, 15m, 2h, 7d."),
    ] = None,
    newer_than: Annotated[
        float | None, typer.Option(parser=seconds_of, metavar="AGE", help="The same.")
    ] = None,
    min_attempts: Annotated[int, typer.Option(min=0, max=MOST, help="At least so many.")] = 0,
    max_attempts: Annotated[int, typer.Option(min=0, max=MOST, help="At most so many.")] = MOST,
    min_replays: Annotated[int, typer.Option(min=0, max=MOST, help="At least so many.")] = 0,
    max_replays: Annotated[int, typer.Option(min=0, max=MOST, help="At most so many.")] = MOST,
) -> None:
    """Only its parameters matter."""


_NAMES = tuple(inspect.signature(_options).parameters)


def selects(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes these options beside its own, as one argument `conditions`."""

    def with_options(**given: Any) -> None:
        conditions = {name: given.pop(name) for name in _NAMES}
        command(**given, conditions=conditions)

    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(_options, eval_str=True).parameters
    parameters = [one for one in own.parameters.values() if one.name != "conditions"]
    taken = [one.replace(kind=one.KEYWORD_ONLY) for one in [*parameters, *options.values()]]
    with_options.__signature__ = own.replace(parameters=taken)  # type: ignore[attr-defined]
    with_options.__doc__ = command.__doc__
    with_options.__name__ = command.__name__
    return with_options


def selection_of(conditions: dict[str, Any], *, everything: bool) -> Selection:
    """The selection of these options. Raises ConfigurationError if they say nothing."""
    rest = dict(conditions)
    ids, now = frozenset(rest.pop("id") or ()), time.time()
    older, newer = rest.pop("older_than"), rest.pop("newer_than")
    return Selection(
        ids=ids,
        everything=everything,
        died_before=None if older is None else now - older,
        died_after=None if newer is None else now - newer,
        **rest,
    )
