"""Secret arguments (pydantic's SecretStr and SecretBytes): as they are on the way to their worker, a
mask wherever anybody looks. JSON Schema calls them `writeOnly`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import reduce
from typing import Any

import orjson
from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import from_json, to_json

MASK = "**********"
"""As pydantic has it."""
HIDDEN = "(hidden: it may have secret arguments, and is no whole JSON)"
A_MASK = "it is the mask of a secret, and not the secret"
_MOST_REFERENCES = 64
"""Of a schema within itself that are followed; what is nested deeper is hidden as a whole."""

Schema = Mapping[str, Any]


def has_secrets(schema: Schema) -> bool:
    """True if a value of this JSON Schema may hold a secret."""
    return b'"writeOnly":true' in orjson.dumps(schema)


def is_secret(schema: Schema, name: str) -> bool:
    """True if the argument of this name may hold a secret."""
    return _Masker(schema, MASK).secret(schema.get("properties", {}).get(name))


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
        return [(one.name, getattr(value, one.name)) for one in fields(value)]
    return None


def _of_model(model: BaseModel) -> Iterator[tuple[str, Any]]:
    for name, facts in type(model).model_fields.items():
        value = getattr(model, name)
        yield facts.serialization_alias or facts.alias or name, value


def masked_in(value: Any, schema: Schema) -> list[str]:
    """Where in a JSON value a mask stands for a secret, which nobody could use."""
    here: Any = object()
    return list(_places(value, _Masker(schema, here).hide(value, schema), here, ""))


def _places(value: Any, shown: Any, here: Any, at: str) -> Iterator[str]:
    if shown is here:
        if value == MASK:
            yield at
    elif isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(one, shown[key], here, f"{at}.{key}".strip("."))


def hidden(value: Any, schema: Schema) -> Any:
    """A JSON value of this schema with masks in place of its secrets, and of whatever may be one: what the
    schema does not know, and what is not of the shape that it has."""
    return _Masker(schema, MASK).hide(value, schema)


def hidden_body(body: bytes | str, schema: Schema | None) -> str:
    """The body of a message to a task whose arguments have this schema, the same way. Without a schema any
    argument may be secret: only the names are shown."""
    if schema is not None and not has_secrets(schema):
        return body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        content = from_json(body)
    except ValueError:
        return HIDDEN
    if not isinstance(content, dict) or content.keys() - {"args", "kwargs"}:
        return HIDDEN
    args, kwargs = content.get("args", []), content.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return HIDDEN
    shown = {"args": hidden_positional(args, schema), "kwargs": hidden_named(kwargs, schema)}
    return to_json({name: shown[name] for name in content}).decode()


def hidden_named(kwargs: Mapping[str, Any], schema: Schema | None) -> Any:
    """Arguments by name with masks, all of them without a schema."""
    return dict.fromkeys(kwargs, MASK) if schema is None else hidden(kwargs, schema)


def hidden_positional(args: Sequence[Any], schema: Schema | None) -> list[Any]:
    """Positional arguments with masks, all of them without a schema; those that are too many are hidden."""
    if schema is None:
        return [MASK for _ in args]
    names = list(schema.get("properties", {}))
    named = hidden(dict(zip(names, args, strict=False)), schema)
    return [*named.values(), *(MASK for _ in args[len(names) :])]


@dataclass(frozen=True, slots=True)
class _Masker:
    """Puts this mask on values, by the schemas within a schema. What does not fit a schema is shown only if
    there is no secret in it."""

    root: Schema
    mask: Any
    _found: dict[int, bool] = field(default_factory=dict)

    def secret(self, schema: Any) -> bool:
        """True if a value of this schema may hold a secret."""
        if id(schema) not in self._found:
            self._found[id(schema)] = self._look(schema, frozenset())
        return self._found[id(schema)]

    def _look(self, schema: Any, seen: frozenset[str]) -> bool:
        if not isinstance(schema, Mapping):
            return False
        if has_secrets(schema):
            return True
        within = set(re.findall(r'"\$ref":"([^"]*)"', orjson.dumps(schema).decode())) - seen
        return any(self._look(self._target(one), seen | within) for one in within)

    def _target(self, reference: str) -> Any:
        target: Any = self.root
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step) if isinstance(target, Mapping) else None
        return {"writeOnly": True} if target is None else target

    def hide(self, value: Any, schema: Any, deep: int = 0) -> Any:
        """The value with masks."""
        if value is None or not self.secret(schema):
            return value
        if schema.get("writeOnly") is True or deep > _MOST_REFERENCES:
            return self.mask
        found = [self.hide(value, one, deep + 1) for one in schema.get("allOf", ())]
        if isinstance(reference := schema.get("$ref"), str):
            found.append(self.hide(value, self._target(reference), deep + 1))
        for choices in filter(None, map(schema.get, ("anyOf", "oneOf"))):
            # In doubt, as between two kinds of object, the masks of both are put on.
            fitting = [one for one in choices if self._may_fit(value, one)]
            found += [self.hide(value, one, deep + 1) for one in fitting] or [self.mask]
        if isinstance(value, dict) and any(map(schema.get, _OF_OBJECTS)):
            found.append({k: self._member(k, one, schema, deep) for k, one in value.items()})
        elif isinstance(value, list) and any(map(schema.get, _OF_ARRAYS)):
            found.append([self._item(n, one, schema, deep) for n, one in enumerate(value)])
        return reduce(self._both, found) if found else self.mask

    def _may_fit(self, value: Any, schema: Any) -> bool:
        if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
            schema = self._target(schema["$ref"])
        kinds = _KINDS.get(str(schema.get("type"))) if isinstance(schema, Mapping) else None
        return kinds is None or type(value) in kinds

    def _member(self, key: str, value: Any, schema: Schema, deep: int) -> Any:
        if key in (known := schema.get("properties", {})):
            return self.hide(value, known[key], deep)
        # Under another name that its model takes too, it may be a secret. Patterns are not looked at.
        others = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        found = [self.hide(value, one, deep) for one in others if isinstance(one, Mapping)]
        return reduce(self._both, found) if found else self.mask

    def _item(self, n: int, value: Any, schema: Schema, deep: int) -> Any:
        first, rest = schema.get("prefixItems", []), schema.get("items")
        if n < len(first):
            return self.hide(value, first[n], deep)
        return self.hide(value, rest, deep) if isinstance(rest, Mapping) else self.mask

    def _both(self, one: Any, other: Any) -> Any:
        """Two views of the same value as one, with the masks of both."""
        if self.mask in (one, other):
            return self.mask
        if isinstance(one, dict):
            return {key: self._both(shown, other[key]) for key, shown in one.items()}
        if isinstance(one, list):
            return [self._both(shown, other[n]) for n, shown in enumerate(one)]
        return one


_OF_OBJECTS = ("properties", "patternProperties", "additionalProperties")
_OF_ARRAYS = ("prefixItems", "items")
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
