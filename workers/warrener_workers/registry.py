"""What a child tells its parent about the app's tasks: all that the parent needs to decide, since it
never imports user code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from warrener import Settings, Warrener
from warrener.declared import CatalogueEntry
from warrener.keying import check_named, digests
from warrener.limits import Limits
from warrener.retry import Backoff

SECRETS = ("amqp_url", "redis_url", "signing_keys")


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task as the parent knows it. Seconds."""

    name: str
    queue: str
    backoff: Backoff
    time_limit: float | None
    max_losses: int
    isolate: bool
    limits: Limits | None = None

    def lost_too_often(self, losses: int) -> bool:
        """True if a job of this task, lost that often, must not run again."""
        return losses >= max(1, self.max_losses)


@dataclass(frozen=True, slots=True)
class Registry:
    """All tasks of an app, and the settings it was made with."""

    specs: dict[str, TaskSpec]
    catalogue: list[CatalogueEntry]
    settings: Settings


def describe(app: Warrener) -> bytes:
    """The app's tasks and settings as JSON. Raises TaskSignatureError, AppImportError."""
    tasks = []
    for task in app.tasks.values():
        settings = task.settings
        task.schema.check()
        check_named(task)
        spec = TaskSpec(
            name=task.name,
            queue=app.queue_of(task),
            backoff=settings.retry.backoff,
            time_limit=settings.time_limit,
            max_losses=settings.max_losses,
            isolate=settings.isolate,
            limits=settings.limits,
        )
        schemas = {"arguments": task.schema.json_schema, "result": task.schema.result_schema}
        unique = asdict(settings.unique) if settings.unique else None
        keys = {"unique": unique, "digests": digests(task)}
        tasks.append({"spec": asdict(spec), **schemas, "priority": settings.priority, **keys})
    secrets = {name: getattr(app.settings, name).get_secret_value() for name in SECRETS}
    shown = {**app.settings.model_dump(mode="json"), **secrets}
    return orjson.dumps({"tasks": tasks, "settings": shown})


def parse(text: bytes) -> Registry:
    """The opposite of describe."""
    specs, catalogue = {}, []
    content = orjson.loads(text)
    for task in content["tasks"]:
        facts: dict[str, Any] = task["spec"]
        backoff = Backoff(**facts.pop("backoff"))
        limits = facts.pop("limits")
        spec = TaskSpec(backoff=backoff, limits=Limits(**limits) if limits else None, **facts)
        specs[spec.name] = spec
        keyed = spec.limits is not None and spec.limits.per_key is not None
        entry = CatalogueEntry(
            spec.name,
            spec.queue,
            task["arguments"],
            task["result"],
            task["priority"],
            keyed,
            spec.limits.key if spec.limits else None,
            task["unique"],
            task["digests"],
        )
        catalogue.append(entry)
    return Registry(specs, catalogue, Settings(**content["settings"]))
