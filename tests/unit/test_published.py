"""What a document says of tasks that are known by their schemas alone."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from warrener import Warrener
from warrener.declared import CatalogueEntry
from warrener_api import create_app
from warrener_api.published import with_published


def _entry(name: str, **properties: dict[str, Any]) -> CatalogueEntry:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return CatalogueEntry(name, "q", {**schema, "required": [*properties]}, {})


def test_tasks_whose_names_differ_by_their_signs_alone_are_told_apart() -> None:
    app = Warrener()

    @app.task(name="shop-add")
    def add(own: int) -> None: ...

    number, text = {"type": "integer"}, {"type": "string"}
    entries = (_entry("shop.add", a=number), _entry("shop_add", b=text), _entry("shöp.add", c=text))
    document = create_app(app, protected=False).openapi()
    document = with_published(document, app, {one.name: one for one in entries})
    body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**body["schema"], "components": document["components"]})
    calls = {"shop-add": {"own": 1}, "shop.add": {"a": 1}, "shop_add": {"b": "x"}}
    calls["shöp.add"] = {"c": "x"}
    for task in calls:
        for other, kwargs in calls.items():
            assert validator.is_valid({"task": task, "kwargs": kwargs}) is (task == other)
