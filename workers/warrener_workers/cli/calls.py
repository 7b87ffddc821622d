"""Calls as they are typed: name=value, or JSON."""

from __future__ import annotations

from typing import Any

import typer

from warrener import InvalidArguments, Warrener
from warrener.json_text import OutOfRange, read_json
from warrener.tasks import Options, Signature


def call_of(
    app: Warrener, task: str, positional: list[Any], named: dict[str, Any], options: Options
) -> Signature[Any]:
    """The call, its JSON read by the task's annotations where the task is known here."""
    if task not in app.tasks:
        return Signature(app, task, tuple(positional), named, options)
    found = app.tasks[task].schema.bind_json(positional, named).arguments
    return Signature(app, task, (), found, options)


def by_name(task: str, arguments: list[str]) -> dict[str, Any]:
    """Arguments of the form name=value. Raises BadParameter, InvalidArguments."""
    found = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise typer.BadParameter(f"{argument!r} is not of the form name=value")
        found[name] = _value(task, name, value)
    return found


def parsed(text: str, kind: type[Any], called: str, option: str) -> Any:
    """What an option holds as JSON. Raises BadParameter."""
    try:
        value = read_json(text)
    except ValueError as error:
        raise typer.BadParameter(f"it is no JSON: {error}", param_hint=option) from error
    if not isinstance(value, kind):
        raise typer.BadParameter(f"it must be a JSON {called}", param_hint=option)
    return value


def _value(task: str, name: str, text: str) -> Any:
    try:
        return read_json(text)
    except OutOfRange as error:  # JSON all the same, and never meant as text
        reason = f"{name}: {error}"
        problems = [{"at": name, "message": str(error)}]
        raise InvalidArguments(task=task, reason=reason, problems=problems) from error
    except ValueError:
        return text
