"""Keys that are made of a job's arguments when it is submitted: nobody on the way decodes a body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from .declared import CatalogueEntry
from .errors import ConfigurationError, TaskSignatureError
from .masking import is_secret, revealed
from .messages import LONGEST_KEY
from .tasks import Options, Task
from .uniqueness import Unique


@dataclass(frozen=True, slots=True)
class Keyed:
    """By what a task's jobs are counted and told apart. `defaults` has all its parameters, in order, and
    `schema` is the JSON Schema of its arguments. `digests` are those of defaults that are secret, where
    only their masks are known."""

    task: str
    schema: Mapping[str, Any]
    defaults: Mapping[str, Any]
    keyed: bool
    key: str | None
    unique: Unique | None
    digests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task[..., Any]) -> Keyed:
        """Of a task that is declared here."""
        limits, unique = task.settings.limits, task.settings.unique
        defaults = {
            name: None if one.default is one.empty else one.default
            for name, one in task.schema.parameters.items()
        }
        keyed = limits is not None and limits.per_key is not None
        key = limits.key if limits else None
        return cls(task.name, task.schema.json_schema, defaults, keyed, key, unique)

    @classmethod
    def published(cls, entry: CatalogueEntry) -> Keyed:
        """Of one that workers have published."""
        properties = entry.arguments.get("properties", {})
        defaults = {name: schema.get("default") for name, schema in properties.items()}
        unique = None
        if entry.unique is not None:
            by = entry.unique["by"]
            how = {**entry.unique, "by": None if by is None else tuple(by)}
            unique = Unique(**how)
        made_of = (entry.keyed, entry.key, unique, entry.digests)
        return cls(entry.name, entry.arguments, defaults, *made_of)

    @property
    def named(self) -> list[str]:
        """The parameters that count."""
        names = [] if self.key is None else [self.key]
        if self.unique is not None:
            names += self.defaults if self.unique.by is None else self.unique.by
        return names

    def value(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The value of one parameter in this call, of a secret its digest, since keys are shown. Raises
        TaskSignatureError if there is no such one."""
        if name not in self.defaults:
            reason = f"it is limited or unique by {name!r}, which is none of its parameters"
            raise TaskSignatureError(task=self.task, reason=reason)
        if name not in arguments and name in self.digests:
            return self.digests[name]
        value = arguments.get(name, self.defaults[name])
        return _digest(value) if value is not None and is_secret(self.schema, name) else value


def concurrency_key(
    keyed: Keyed | None, options: Options, arguments: Mapping[str, Any]
) -> str | None:
    """What the limits of this task count this call by, if by anything. Raises ConfigurationError for a key
    that nothing would count."""
    chosen = options.concurrency_key
    if keyed is None:
        return chosen
    if chosen is not None and not keyed.keyed:
        raise ConfigurationError(
            message=f"task {keyed.task!r} has no limit per key, so that concurrency_key={chosen!r} would "
            "change nothing: give it limits=Limits(max_per_key=…)"
        )
    if chosen is not None or keyed.key is None:
        return chosen
    return _text_of(keyed.value(keyed.key, arguments))


def check_named(task: Task[..., Any]) -> None:
    """Raise TaskSignatureError if its limits, or what makes it unique, name what is no parameter of it."""
    keyed = Keyed.of(task)
    for name in keyed.named:
        keyed.value(name, {})


def digests(task: Task[..., Any]) -> dict[str, str]:
    """Of the defaults that are secret and that its keys are made of, for who has not its code: its schema
    has only their masks."""
    keyed = Keyed.of(task)
    secret = {name for name in keyed.named if is_secret(keyed.schema, name)}
    return {n: keyed.value(n, {}) for n in sorted(secret) if keyed.defaults[n] is not None}


def uniqueness(keyed: Keyed | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a submission of this call says of its being the only one."""
    unique = keyed.unique if keyed is not None else None
    if keyed is None or unique is None:
        return {}
    names = keyed.defaults if unique.by is None else unique.by
    values = {name: keyed.value(name, arguments) for name in names}
    how = {"unique_for": unique.expires, "refuse_duplicate": unique.on_duplicate == "error"}
    return {"unique": _digest(values), **how}


def _text_of(value: Any) -> str | None:
    """A value as a key: itself, where it is a short text. None has no key, and is not limited."""
    if value is None:
        return None
    text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    if not 1 <= len(text) <= LONGEST_KEY:
        return sha256(text.encode()).hexdigest()
    return text


def _digest(value: Any) -> str:
    """Of a value with its secrets: two of them are not the same for having the same mask."""
    plain = revealed(value, to_jsonable_python(value, fallback=str))
    return sha256(to_json(plain, fallback=str)).hexdigest()
