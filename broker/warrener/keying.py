"""Keys that are made of a job's arguments when it is submitted: nobody on the way decodes a body."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from .errors import ConfigurationError, TaskSignatureError
from .messages import LONGEST_KEY
from .tasks import Options, Task


def concurrency_key(
    task: Task[..., Any] | None, options: Options, arguments: dict[str, Any]
) -> str | None:
    """What the limits of this task count this call by, if by anything. Raises ConfigurationError for a key
    that nothing would count."""
    chosen = options.concurrency_key
    if task is None:
        return chosen
    limits = task.settings.limits
    if chosen is not None and (limits is None or limits.per_key is None):
        raise ConfigurationError(
            message=f"task {task.name!r} has no limit per key, so that concurrency_key={chosen!r} would "
            "change nothing: give it limits=Limits(max_per_key=…)"
        )
    if chosen is not None or limits is None or limits.key is None:
        return chosen
    return text_of(argument(task, limits.key, arguments))


def check_named(task: Task[..., Any]) -> None:
    """Raise TaskSignatureError if its limits, or what makes it unique, name what is no parameter of it."""
    limits, unique = task.settings.limits, task.settings.unique
    if limits is not None and limits.key is not None:
        argument(task, limits.key, {})
    for name in (unique.by or ()) if unique is not None else ():
        argument(task, name, {})


def uniqueness(task: Task[..., Any] | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a submission of this call says of its being the only one."""
    unique = task.settings.unique if task is not None else None
    if task is None or unique is None:
        return {}
    names = task.schema.parameters if unique.by is None else unique.by
    values = {name: argument(task, name, arguments) for name in names}
    digest = sha256(to_json(values, fallback=str)).hexdigest()
    how = {"unique_for": unique.expires, "refuse_duplicate": unique.on_duplicate == "error"}
    return {"unique": digest, **how}


def argument(task: Task[..., Any], name: str, arguments: dict[str, Any]) -> Any:
    """The value of one parameter in this call. Raises TaskSignatureError if there is no such parameter."""
    parameter = task.schema.parameters.get(name)
    if parameter is None:
        reason = f"it is limited or unique by {name!r}, which is none of its parameters"
        raise TaskSignatureError(task=task.name, reason=reason)
    default = None if parameter.default is parameter.empty else parameter.default
    return arguments.get(name, default)


def text_of(value: Any) -> str | None:
    """A value as a key: itself, where it is a short text. None has no key, and is not limited."""
    if value is None:
        return None
    text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    if not 1 <= len(text) <= LONGEST_KEY:
        return sha256(text.encode()).hexdigest()
    return text
