"""Other arguments for jobs that are replayed: checked against what their workers have published of
the task, and on record with what they were before and who changed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from .calls import decode_body, encode_unchecked
from .dead_letters import short
from .errors import InvalidArguments
from .messages import Message

HEADER = "edited"
"""Who changed the arguments, and when; it travels with the job."""
LONGEST_ORIGINAL = 8_192


@dataclass(frozen=True, slots=True)
class Edit:
    """Arguments by name that take the place of those that the job has; the others stay. `schemas` are JSON
    Schemas of arguments, by task; `at` is a Unix time."""

    arguments: Mapping[str, Any]
    schemas: Mapping[str, dict[str, Any]]
    operation: str
    by: str
    at: float

    def apply(self, message: Message) -> Message:
        """The job with these arguments. Raises InvalidArguments if they do not fit."""
        schema = self.schemas.get(message.task)
        if schema is None:
            reason = "no worker has published its signature, against which an edit could be checked"
            raise _invalid(message.task, reason)
        arguments = {**_by_name(message, schema), **self.arguments}
        check(message.task, arguments, schema)
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        extra = {**message.extra, HEADER: f"{self.by} {when}"}
        return replace(message, body=encode_unchecked((), arguments, message.task), extra=extra)

    def note(self, message: Message) -> bytes:
        """What the job's record keeps of the edit of this message, as JSON."""
        facts = {
            "operation": self.operation,
            "at": self.at,
            "by": self.by,
            "original": short(message.body.decode("utf-8", "replace"), LONGEST_ORIGINAL),
            "size": len(message.body),
        }
        return orjson.dumps(facts)


def check(task: str, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Return if these arguments fit the task's JSON Schema. Raises InvalidArguments."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # of an extra

    problems = [
        {"at": ".".join(map(str, error.absolute_path)) or "arguments", "message": error.message}
        for error in Draft202012Validator(schema).iter_errors(dict(arguments))
    ]
    if problems:
        reason = "; ".join(f"{p['at']}: {p['message']}" for p in problems)
        raise InvalidArguments(task=task, reason=reason, problems=problems)


def _by_name(message: Message, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the job has. A body that is none has none: the edit must then be all of them."""
    try:
        args, kwargs = decode_body(message.body)
    except ValueError:
        return {}
    names = list(schema.get("properties", {}))
    if len(args) > len(names):
        reason = f"{len(args)} positional arguments were given, and it takes {len(names)}"
        raise _invalid(message.task, reason)
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _invalid(task: str, reason: str) -> InvalidArguments:
    problems = [{"at": "edit", "message": reason}]
    return InvalidArguments(task=task, reason=reason, problems=problems)
