"""Tasks that this process does not import: their workers publish what they take, as JSON Schema."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from warrener import InvalidArguments, UnknownTask, Warrener
from warrener.declared import CatalogueEntry
from warrener.editing import check

from .clients import client_of

MEMORY = 2.0
"""Seconds for which it is believed what workers have published."""

Published = Mapping[str, CatalogueEntry]

_known: WeakKeyDictionary[Warrener, tuple[float, Published]] = WeakKeyDictionary()


async def published(app: Warrener) -> Published:
    """All that workers have published, by name. Raises StoreUnavailable."""
    now = time.monotonic()
    since, found = _known.get(app, (now - MEMORY, {}))
    if now - since >= MEMORY:
        found = {entry.name: entry for entry in await client_of(app).catalogue.all()}
        _known[app] = (now, found)
    return found


async def others(app: Warrener, tasks: Iterable[str]) -> Published:
    """What is published, if one of these tasks is none of the app's own. Raises StoreUnavailable."""
    return {} if app.tasks.keys() >= set(tasks) else await published(app)


def call_of(
    app: Warrener, found: Published, name: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """The arguments of a call, by name and checked, and the queue that its workers say it runs on; None for
    one of the app's own. Raises UnknownTask, InvalidArguments."""
    if name in app.tasks:
        return None, app.tasks[name].schema.bind_json(args, kwargs).arguments
    if name not in found:
        known = ", ".join(sorted({*app.tasks, *found})) or "none"
        raise UnknownTask(task=name, known=known)
    entry = found[name]
    return entry.queue, _checked(entry, args, kwargs)


def _checked(entry: CatalogueEntry, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    names = list(entry.arguments.get("properties", {}))
    if len(args) > len(names):
        said = f"{len(args)} positional arguments were given, and it takes {len(names)}"
        raise _invalid(entry, [{"at": "arguments", "message": said}])
    arguments = dict(zip(names, args, strict=False))
    if twice := arguments.keys() & kwargs.keys():
        said = f"{', '.join(sorted(twice))} was given twice"
        raise _invalid(entry, [{"at": "arguments", "message": said}])
    arguments |= kwargs
    check(entry.name, arguments, entry.arguments)
    return arguments


def _invalid(entry: CatalogueEntry, problems: list[dict[str, str]]) -> InvalidArguments:
    reason = "; ".join(f"{problem['at']}: {problem['message']}" for problem in problems)
    return InvalidArguments(task=entry.name, reason=reason, problems=problems)


# What a document says of them ------------------------------------------------------------------------


def with_published(document: dict[str, Any], app: Warrener, found: Published) -> dict[str, Any]:
    """An OpenAPI document in which POST /jobs takes these tasks too."""
    entries = [entry for name, entry in sorted(found.items()) if name not in app.tasks]
    if not entries or "/jobs" not in document["paths"]:
        return document
    document = orjson.loads(orjson.dumps(document))
    schemas = document["components"]["schemas"]
    content = document["paths"]["/jobs"]["post"]["requestBody"]["content"]
    reference = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    choice = schemas[reference]
    if "oneOf" not in choice:
        choice = schemas[reference] = {"title": choice.get("title", reference), "oneOf": []}
    mapping = choice.setdefault("discriminator", {"propertyName": "task", "mapping": {}})["mapping"]
    for entry in entries:
        name = _free_name(entry.name, schemas)
        schemas |= _schemas(name, entry)
        choice["oneOf"].append({"$ref": f"#/components/schemas/{name}Job"})
        mapping[entry.name] = f"#/components/schemas/{name}Job"
    return document


def _free_name(task: str, taken: Mapping[str, Any]) -> str:
    """A name for what a document has of a task, in ASCII for OpenAPI: shop.add and shop_add are two."""
    plain = re.sub(r"[^a-zA-Z0-9]", "", task.title())
    names = itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(2)))
    return next(name for name in names if f"{name}Job" not in taken)


def _schemas(name: str, entry: CatalogueEntry) -> dict[str, Any]:
    text = orjson.dumps(entry.arguments)
    text = text.replace(b'"#/$defs/', f'"#/components/schemas/{name}.'.encode())
    arguments = orjson.loads(text)
    own = {f"{name}.{inner}": schema for inner, schema in arguments.pop("$defs", {}).items()}
    job = {
        "title": f"{name}Job",
        "type": "object",
        "description": f"A job of {entry.name}.",
        "additionalProperties": False,
        "required": ["task", *(["kwargs"] if arguments.get("required") else [])],
        "properties": {
            "task": {"const": entry.name, "type": "string"},
            "kwargs": arguments,
            "queue": {"type": ["string", "null"]},
            "countdown": {"type": ["number", "null"], "minimum": 0},
            "eta": {"type": ["string", "null"], "format": "date-time"},
            "expires": {"type": ["number", "string", "null"]},
        },
    }
    return {**own, f"{name}Job": job}
