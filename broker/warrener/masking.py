"""Secret arguments (pydantic's SecretStr and SecretBytes): as they are on the way to their worker, a
mask wherever anybody looks. JSON Schema calls them `writeOnly`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import orjson
from pydantic import BaseModel, SecretBytes, SecretStr

MASK = "**********"
"""As pydantic has it."""
HIDDEN = "(hidden: it has secret arguments, and is no whole JSON)"
_MOST_REFERENCES = 64
"""Of a schema within itself that are followed; what is nested deeper is hidden as a whole."""

Schema = Mapping[str, Any]


def has_secrets(schema: Schema) -> bool:
    """True if a value of this JSON Schema may hold a secret."""
    return b'"writeOnly":true' in orjson.dumps(schema)


def revealed(value: Any, dumped: Any) -> Any:
    """What a value was dumped as, with its secrets in it instead of their masks."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case SecretBytes():
            return value.get_secret_value().decode()
        case list() | tuple() if isinstance(dumped, list) and len(value) == len(dumped):
            return [revealed(one, text) for one, text in zip(value, dumped, strict=True)]
    members = _members(value)
    if members is None or not isinstance(dumped, dict):
        return dumped
    return {**dumped, **{key: revealed(one, dumped[key]) for key, one in members if key in dumped}}


def _members(value: Any) -> Iterable[tuple[str, Any]] | None:
    if isinstance(value, BaseModel):
        return _of_model(value)
    if isinstance(value, Mapping):
        return [(str(key), one) for key, one in value.items()]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return None


def _of_model(model: BaseModel) -> Iterator[tuple[str, Any]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        yield field.serialization_alias or field.alias or name, value


def masked_in(value: Any, schema: Schema) -> list[str]:
    """Where in a JSON value a mask stands for a secret, which nobody could use."""
    found: list[str] = []
    _hide(value, schema, schema, "", found)
    return found


def hidden(value: Any, schema: Schema) -> Any:
    """A JSON value of this schema with masks in place of its secrets."""
    return _hide(value, schema, schema, "", [])


def hidden_body(body: bytes | str, schema: Schema) -> str:
    """The body of a message to a task whose arguments have this schema, the same way."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return HIDDEN
    if not isinstance(content, dict):
        return HIDDEN
    args, kwargs = content.get("args"), content.get("kwargs")
    if isinstance(args, list) and args:
        content["args"] = hidden_positional(args, schema)
    content["kwargs"] = hidden(kwargs, schema)
    return orjson.dumps(content).decode()


def hidden_positional(args: Sequence[Any], schema: Schema) -> list[Any]:
    """Positional arguments with masks; those that are too many are hidden."""
    names = list(schema.get("properties", {}))
    named = hidden(dict(zip(names, args, strict=False)), schema)
    return [*named.values(), *(MASK for _ in args[len(names) :])]


def _hide(value: Any, schema: Any, root: Schema, at: str, found: list[str], deep: int = 0) -> Any:
    if not isinstance(schema, Mapping):
        return value
    if deep > _MOST_REFERENCES:
        return MASK
    if schema.get("writeOnly") is True and value is not None:
        if value == MASK:
            found.append(at)
        return MASK
    if isinstance(reference := schema.get("$ref"), str):
        target: Any = root
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step, {})
        value = _hide(value, target, root, at, found, deep + 1)
    for choices in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(choices, ()):
            value = _hide_in_choice(value, one, root, at, found, deep + 1)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        return {
            key: _hide(one, known.get(key, others), root, f"{at}.{key}".strip("."), found, deep)
            for key, one in value.items()
        }
    if isinstance(value, list):
        first, rest = schema.get("prefixItems", []), schema.get("items")
        return [
            _hide(one, first[n] if n < len(first) else rest, root, f"{at}.{n}", found, deep)
            for n, one in enumerate(value)
        ]
    return value


_KINDS: dict[str, type] = {
    "string": str,
    "object": dict,
    "array": list,
    "null": type(None),
    "boolean": bool,
}


def _hide_in_choice(
    value: Any, schema: Any, root: Schema, at: str, found: list[str], deep: int
) -> Any:
    # A number beside a secret text is none. In doubt, between two kinds of object, both masks are put on.
    kind = _KINDS.get(str(schema.get("type"))) if isinstance(schema, Mapping) else None
    return (
        value
        if kind and not isinstance(value, kind)
        else _hide(value, schema, root, at, found, deep)
    )
