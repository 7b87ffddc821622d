"""The request body of POST /jobs in OpenAPI: one alternative for each task, with its own arguments."""

from __future__ import annotations

from typing import Any

from warrener import Warrener


def job_request_schema(app: Warrener) -> dict[str, Any]:
    """A oneOf over the app's tasks, so that a generated client refuses a wrong argument."""
    tasks = sorted(app.tasks.values(), key=lambda task: task.name)
    if not tasks:
        return {"type": "object"}
    return {"oneOf": [_alternative(task.name, task.schema.json_schema) for task in tasks]}


def _alternative(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    definitions = arguments.get("$defs", {})
    plain = {key: value for key, value in arguments.items() if key != "$defs"}
    kwargs = _inlined(plain, definitions, ())
    required = ["task", "kwargs"] if arguments.get("required") else ["task"]
    return {
        "title": name,
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {
            "task": {"type": "string", "const": name},
            "kwargs": {**kwargs, "title": f"Arguments of {name}"},
            "queue": {"type": "string"},
            "countdown": {"type": "number", "minimum": 0},
            "eta": {"type": "string", "format": "date-time"},
        },
    }


def _inlined(schema: Any, definitions: dict[str, Any], inside: tuple[str, ...]) -> Any:
    """The schema without references: a route that may be mounted anywhere has no place for shared
    definitions. A model within itself is left open at its second appearance."""
    if isinstance(schema, list):
        return [_inlined(item, definitions, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        if name in inside or name not in definitions:
            return {"title": name}
        return _inlined(definitions[name], definitions, (*inside, name))
    return {key: _inlined(value, definitions, inside) for key, value in schema.items()}
