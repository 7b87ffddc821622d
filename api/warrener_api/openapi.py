"""What OpenAPI says, for clients that are generated from it: names, and one kind of job per task."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from warrener import Warrener
from warrener.tasks import Task

from .schemas import Expiry, JobRequest


def operation_ids(own_path: str) -> Callable[[APIRoute], str]:
    """Names for the operations under this path: `submit_job`, or `behind_submit_job` for a router that
    is mounted under /behind, since one document may have several."""

    def name(route: APIRoute) -> str:
        prefix = route.path_format.rpartition(own_path)[0]
        return "_".join([*re.findall(r"\w+", prefix), route.name])

    return name


def job_request(app: Warrener) -> type[JobRequest]:
    """What POST /jobs takes. It is read as a JobRequest, so that errors name the argument at fault, and
    documented as one alternative for each of the app's tasks, with the task's own arguments."""
    alternatives = {name: _alternative(task) for name, task in sorted(app.tasks.items())}

    def documented(_: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        if not alternatives:
            return {"title": "JobRequest", "type": "object"}
        choices = {name: it.__pydantic_core_schema__ for name, it in alternatives.items()}
        return handler(core_schema.tagged_union_schema(choices, "task"))

    members = {
        "__get_pydantic_json_schema__": staticmethod(documented),
        "__doc__": "A job to submit.",
        "__module__": __name__,
    }
    return type("JobRequest", (JobRequest,), members)


def _alternative(task: Task[..., Any]) -> type[BaseModel]:
    arguments = task.schema.arguments_type
    needed = bool(task.schema.json_schema.get("required"))
    fields: dict[str, Any] = {
        "task": (Literal[task.name], ...),
        "kwargs": (arguments, ... if needed else {}),
        "queue": (str | None, None),
        "countdown": (Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, None),
        "eta": (AwareDatetime | None, None),
        "expires": (Expiry | None, None),
    }
    name = task.schema.type_name
    model: type[BaseModel] = create_model(
        f"{name}Job",
        __config__=ConfigDict(extra="forbid"),
        __doc__=f"A job of {task.name}.",
        **fields,
    )
    return model
