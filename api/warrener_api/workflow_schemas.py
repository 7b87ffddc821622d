"""Workflows over HTTP: what goes in and out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from warrener.workflow_handles import NodeStatus, WorkflowStatus

from .schemas import Expiry, time_view


class CallStep(BaseModel):
    """A call of a task. With `takes_result` false it does not take what came before it."""

    model_config = ConfigDict(extra="forbid")

    task: Annotated[str, Field(min_length=1, max_length=255)]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    takes_result: bool = True
    queue: str | None = None
    countdown: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Seconds, from when it is its turn."""
    eta: AwareDatetime | None = None
    expires: Expiry | None = None


class ChainStep(BaseModel):
    """Steps one after another; each takes what the one before it gives."""

    model_config = ConfigDict(extra="forbid")

    chain: Annotated[list[Step], Field(min_length=1)]


class GroupStep(BaseModel):
    """Steps side by side; gives the list of their results. With `errors` "continue" an error is a value."""

    model_config = ConfigDict(extra="forbid")

    group: list[Step]
    errors: Literal["fail", "continue"] = "fail"


Step = CallStep | ChainStep | GroupStep


class WorkflowRequest(BaseModel):
    """A workflow to submit: a chain or a group. A chord is a chain of a group and its body."""

    model_config = ConfigDict(extra="forbid")

    workflow: ChainStep | GroupStep
    on_error: CallStep | None = None
    """Called once with the list of causes, if it fails."""
    on_success: CallStep | None = None
    """Called once with the result, if it succeeds."""


class PartView(BaseModel):
    """One part of a workflow: a task, a chain or a group."""

    number: int
    kind: str
    state: str
    task: str | None
    job_id: str | None
    due: datetime | None
    finished: datetime | None
    error: dict[str, Any] | None
    children: list[PartView]

    @classmethod
    def of(cls, node: NodeStatus) -> PartView:
        """The view of a part."""
        return cls(
            number=node.number,
            kind=node.kind,
            state=node.state,
            task=node.task,
            job_id=node.job_id,
            due=time_view(node.due),
            finished=time_view(node.finished),
            error=node.error,
            children=[cls.of(child) for child in node.children],
        )


class WorkflowView(BaseModel):
    """A workflow as its plan stands."""

    id: str
    state: str
    done: int
    total: int
    created: datetime | None
    finished: datetime | None
    waits_for: list[PartView]
    causes: list[dict[str, Any]]
    tree: PartView
    callbacks: list[PartView]

    @classmethod
    def of(cls, status: WorkflowStatus) -> WorkflowView:
        """The view of a plan."""
        return cls(
            id=status.id,
            state=status.state,
            done=status.done,
            total=status.total,
            created=time_view(status.created),
            finished=time_view(status.finished),
            waits_for=[PartView.of(node) for node in status.waits_for],
            causes=status.causes,
            tree=PartView.of(status.tree),
            callbacks=[PartView.of(node) for node in status.callbacks],
        )


class WorkflowAccepted(BaseModel):
    """A workflow that was submitted."""

    id: str
