"""A handle on a workflow that was submitted: how far it is, its result, its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from .sync import Portal

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One part of a workflow: a task, a chain or a group. Times are Unix seconds."""

    number: int
    kind: str
    state: str
    """WAITING, PENDING (its job was submitted, or it is open), SUCCESS, FAILURE or REVOKED."""
    task: str | None = None
    job_id: str | None = None
    due: float | None = None
    finished: float | None = None
    error: dict[str, Any] | None = None
    children: list[NodeStatus] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WorkflowStatus:
    """A workflow as its plan stands. `done` of `total` tasks have ended."""

    id: str
    state: str
    """PENDING (being submitted), STARTED, SUCCESS, FAILURE or REVOKED."""
    done: int
    total: int
    created: float
    finished: float | None
    waits_for: list[NodeStatus]
    """Tasks whose jobs were submitted and have not ended, the first of them."""
    causes: list[dict[str, Any]]
    """Why it failed."""
    tree: NodeStatus
    callbacks: list[NodeStatus]


class WorkflowReader(Protocol):
    """What a handle asks."""

    async def status(self, flow_id: str) -> WorkflowStatus:
        """How far it is."""

    async def result(self, flow_id: str, timeout: float | None) -> Any:
        """What it came to, as JSON values."""

    async def revoke(self, flow_id: str, *, terminate: bool) -> None:
        """End it."""


class WorkflowHandle(Generic[R_co]):
    """One workflow, by id. The names with _sync are for code without an event loop."""

    def __init__(
        self,
        flow_id: str,
        reader: Callable[[], WorkflowReader],
        portal: Portal,
        decode: Callable[[Any], Any] | None = None,
    ) -> None:
        self.id = flow_id
        self._reader = reader
        self._portal = portal
        self._decode = decode

    def __repr__(self) -> str:
        return f"WorkflowHandle({self.id!r})"

    async def status(self) -> WorkflowStatus:
        """Its tree with states, and how far it is. Raises WorkflowNotFound, StoreUnavailable."""
        return await self._reader().status(self.id)

    async def result(self, timeout: float | None = None) -> R_co:
        """What it came to, once it has ended; waits at most `timeout` seconds. Raises WorkflowFailed,
        WorkflowRevoked, WorkflowTimeout, WorkflowNotFound, StoreUnavailable, and WaitInsideJob inside a
        running job."""
        found = await self._reader().result(self.id, timeout)
        result: R_co = self._decode(found) if self._decode else found
        return result

    async def revoke(self, *, terminate: bool = False) -> None:
        """End it as a whole: what has not begun never will, what runs is asked to end, or with `terminate`
        its process is killed. May be repeated. Raises WorkflowNotFound, WorkflowEnded, StoreUnavailable."""
        await self._reader().revoke(self.id, terminate=terminate)

    def status_sync(self) -> WorkflowStatus:
        """status() for code without an event loop."""
        return self._portal.run(self.status, "status_sync()")

    def result_sync(self, timeout: float | None = None) -> R_co:
        """result() for code without an event loop."""
        return self._portal.run(lambda: self.result(timeout), "result_sync()")

    def revoke_sync(self, *, terminate: bool = False) -> None:
        """revoke() for code without an event loop."""
        self._portal.run(lambda: self.revoke(terminate=terminate), "revoke_sync()")
