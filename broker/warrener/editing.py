"""Other arguments for jobs that are replayed: checked against what their workers have published of
the task, and on record with what they were before and who changed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson
from pydantic_core import to_json

from .calls import MOST_PROBLEMS, decode_body, encode_unchecked
from .dead_letters import DeadLetter, short
from .errors import InvalidArguments
from .masking import A_MASK, MASK, hidden_body, masked_in
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
        schema = self._schema(message.task)
        arguments = {**_by_name(message, schema), **self.arguments}
        check(message.task, arguments, schema)
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")
        extra = {**message.extra, HEADER: f"{self.by} {when}"}
        return message._replace(body=encode_unchecked((), arguments, message.task), extra=extra)

    def try_on(self, letter: DeadLetter) -> None:
        """Return if they would fit this letter's job, as far as a listing shows it: if that is masked or
        cut, they are checked by themselves. Raises InvalidArguments."""
        body = letter.body.encode()
        if letter.size == len(body) and MASK not in letter.body:
            self.apply(Message(letter.job_id, letter.task, body))
        else:
            check(letter.task, self.arguments, {**self._schema(letter.task), "required": []})

    def _schema(self, task: str) -> dict[str, Any]:
        if task not in self.schemas:
            reason = "no worker has published its signature, against which an edit could be checked"
            raise _invalid(task, reason)
        return self.schemas[task]

    def note(self, message: Message) -> bytes:
        """What the job's record keeps of the edit of this message, as JSON; secrets are masked."""
        original = hidden_body(message.body, self.schemas.get(message.task))
        facts = {
            "operation": self.operation,
            "at": self.at,
            "by": self.by,
            "original": short(original, LONGEST_ORIGINAL),
            "size": len(message.body),
        }
        return orjson.dumps(facts)


def check(task: str, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Return if these arguments fit the task's JSON Schema, and none is the mask of a secret. Raises
    InvalidArguments, which repeats none of their values."""
    faults = _validator(orjson.dumps(schema)).iter_errors(dict(arguments))
    problems = [_problem(fault) for fault in islice(faults, MOST_PROBLEMS)]
    problems += [{"at": at, "message": A_MASK} for at in masked_in(arguments, schema)]
    if problems := problems[:MOST_PROBLEMS]:
        reason = "; ".join(f"{problem['at']}: {problem['message']}" for problem in problems)
        raise InvalidArguments(task=task, reason=reason, problems=problems)


@lru_cache(1000)
def _validator(schema: bytes) -> Any:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # of an extra

    return Draft202012Validator(orjson.loads(schema))


_NAMES_KEYS_ALONE = ("required", "additionalProperties")
_LONGEST_PROBLEM = 200


def _problem(fault: Any) -> dict[str, str]:
    # Its own words repeat the value, which may be a secret or a megabyte.
    if fault.validator in _NAMES_KEYS_ALONE:
        said = str(fault.message)[:_LONGEST_PROBLEM]
    else:
        rule = to_json(fault.validator_value).decode()[:_LONGEST_PROBLEM]
        said = f"it does not fit {fault.validator}: {rule}"
    return {"at": ".".join(map(str, fault.absolute_path)) or "arguments", "message": said}


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
