"""Workflows of an app: submitting them, and handles on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from ..canvas import Chain, Group, Step, Workflow
from ..ids import check_job_id, check_key, derived_id, new_id
from ..settings import Settings
from ..submissions import Submission
from ..sync import Portal
from ..tasks import Signature, Task
from ..workflow_handles import WorkflowHandle
from .carrying import Carrier, WorkflowBackend
from .plans import Drawn, carrying, draw, partial_body
from .reading import Reader
from .submitting import start

R = TypeVar("R")


class Drafts(Protocol):
    """Makes jobs of calls."""

    async def draft(self, call: Signature[Any]) -> Submission:
        """A call as a job to submit."""

    async def queue_for(self, call: Signature[Any]) -> str:
        """The queue of a call."""


class App(Protocol):
    """What workflows need of an app."""

    settings: Settings
    portal: Portal
    carry: Callable[[], dict[str, str]]

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """All tasks by name."""

    def backend(self) -> Any:
        """What it sends through, which must be a WorkflowBackend too."""

    def drafter(self) -> Drafts:
        """What makes jobs of calls, for one submission."""


class Launcher:
    """Submits an app's workflows."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def start(self, flow: Workflow[Any, R]) -> WorkflowHandle[R]:
        """Submit this workflow; see Workflow.send."""
        app, wishes = self._app, flow.wishes
        plan = await draw(flow, partial(self._drawn, app.drafter()), app.settings.max_payload_bytes)
        plan = carrying(plan, app.carry())
        backend = cast(WorkflowBackend, app.backend())
        clock: Callable[[], float] = getattr(backend, "clock", time.time)
        flow_id = _id(flow, app.settings.namespace)
        repeatable = wishes.id is not None or wishes.idempotency_key is not None
        carrier = Carrier(backend, app.settings, clock)
        await start(carrier, flow_id, plan, clock(), repeatable=repeatable)
        return WorkflowHandle(flow_id, self._reader, app.portal, _decoder(flow, app.tasks))

    def handle(self, flow_id: str) -> WorkflowHandle[Any]:
        """A handle on a workflow by its id."""
        return WorkflowHandle(flow_id, self._reader, self._app.portal)

    def _reader(self) -> Reader:
        backend = cast(WorkflowBackend, self._app.backend())
        clock: Callable[[], float] = getattr(backend, "clock", time.time)
        return Reader(backend, Carrier(backend, self._app.settings, clock))

    async def _drawn(self, drafts: Drafts, call: Signature[Any], has_input: bool) -> Drawn:
        if has_input:
            queue = await drafts.queue_for(call)
            task, priority = self._app.tasks.get(call.task), call.chosen.priority
            if priority is None and task is not None:
                priority = task.settings.priority
            return Drawn(queue, partial_body(call), call.chosen.concurrency_key, priority)
        draft = await drafts.draft(call)
        return Drawn(draft.queue, draft.body, draft.concurrency_key, draft.priority)


def _id(flow: Workflow[Any, Any], namespace: str) -> str:
    wishes = flow.wishes
    if wishes.id is not None:
        return check_job_id(wishes.id)
    if wishes.idempotency_key is not None:
        return derived_id("workflow key", namespace, check_key(wishes.idempotency_key))
    return new_id()


def _decoder(step: Step[Any, Any], tasks: Mapping[str, Task[..., Any]]) -> Callable[[Any], Any]:
    """What turns the JSON of a step's result into the types that its tasks say."""
    if isinstance(step, Chain):
        return _decoder(step.steps[-1], tasks)
    if isinstance(step, Group):
        members = [_decoder(member, tasks) for member in step.steps]
        keeps_errors = step.on_error == "continue"

        def decode(values: Any) -> Any:
            return [
                value
                if keeps_errors and isinstance(value, dict) and value.keys() == {"error"}
                else of(value)
                for of, value in zip(members, values, strict=True)
            ]

        return decode
    task = tasks.get(step.task) if isinstance(step, Signature) else None
    return task.schema.decode_result if task else lambda value: value
