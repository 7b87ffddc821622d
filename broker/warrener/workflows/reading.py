"""Looking at a workflow: its tree, how far it is, its result; and ending it."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic_core import from_json

from ..errors import (
    WorkflowEnded,
    WorkflowFailed,
    WorkflowNotFound,
    WorkflowRevoked,
    WorkflowTimeout,
)
from ..ids import is_job_id
from ..workflow_handles import NodeStatus, WorkflowStatus
from .carrying import Carrier, Part, WorkflowBackend
from .plans import CALLBACK
from .resolving import Resolver

MOST_WAITING = 20
_STATES = {b"D": "PENDING", b"S": "SUCCESS", b"F": "FAILURE", b"R": "REVOKED", b"X": "REVOKED"}
_KINDS = {b"t": "task", b"c": "chain", b"g": "group"}
_META = ["state", "done", "total", "created", "finished", "nodes"]
_OF_NODE = "nsqdzet"


class Reader:
    """Reads workflows of a namespace."""

    def __init__(self, backend: WorkflowBackend, carrier: Carrier) -> None:
        self._backend = backend
        self._carrier = carrier
        self._resolver = Resolver(carrier)

    async def _meta(self, flow_id: str) -> list[bytes]:
        found = await self._resolver.fields(flow_id, _META) if is_job_id(flow_id) else None
        if found is None:
            raise WorkflowNotFound(workflow_id=flow_id[:128])
        return found

    async def status(self, flow_id: str) -> WorkflowStatus:
        """See WorkflowHandle.status."""
        state, done, total, created, finished, count = await self._meta(flow_id)
        names = [f"{letter}{k}" for k in range(int(count)) for letter in _OF_NODE]
        fields = await self._resolver.fields(flow_id, names)
        causes = await self._resolver.causes(flow_id)
        if fields is None or causes is None:
            raise WorkflowNotFound(workflow_id=flow_id)
        rows = [fields[at : at + len(_OF_NODE)] for at in range(0, len(fields), len(_OF_NODE))]
        nodes = [_node(flow_id, k, row) for k, row in enumerate(rows)]
        callbacks = []
        for node, row in zip(nodes, rows, strict=True):
            parent = int(row[0].split()[1])
            if parent >= 0:
                nodes[parent].children.append(node)
            elif parent == CALLBACK:
                callbacks.append(node)
        waits = [node for node in nodes if node.kind == "task" and node.state == "PENDING"]
        return WorkflowStatus(
            flow_id,
            state.decode(),
            int(done or 0),
            int(total),
            float(created),
            float(finished) if finished else None,
            waits[:MOST_WAITING],
            orjson.loads(causes),
            nodes[0],
            callbacks,
        )

    async def _ended(self, flow_id: str) -> bytes | None:
        state = (await self._meta(flow_id))[0]
        return None if state in (b"PENDING", b"STARTED") else state

    async def result(self, flow_id: str, timeout: float | None) -> Any:
        """See WorkflowHandle.result; as JSON values."""
        state = await self._backend.until(lambda: self._ended(flow_id), flow_id, timeout)
        if state is None:
            _, done, total, *_ = await self._meta(flow_id)
            raise WorkflowTimeout(
                workflow_id=flow_id, seconds=timeout, done=int(done or 0), total=int(total)
            )
        if state == b"REVOKED":
            raise WorkflowRevoked(workflow_id=flow_id)
        if state == b"FAILURE":
            raise WorkflowFailed(workflow_id=flow_id, cause=await self._cause(flow_id))
        output = await self._resolver.output(flow_id)
        if output is None:
            raise WorkflowNotFound(workflow_id=flow_id)
        return from_json(output)

    async def _cause(self, flow_id: str) -> str:
        causes = orjson.loads(await self._resolver.causes(flow_id) or b"[]")
        said = [
            f"{one.get('task', 'a task')}: {one['type']}: {one['message']}" for one in causes[:3]
        ]
        return "; ".join(said).rstrip(" .") or "its causes are gone"

    async def revoke(self, flow_id: str, *, terminate: bool) -> None:
        """See WorkflowHandle.revoke."""
        count = int((await self._meta(flow_id))[5])
        [[word, *more]] = await self._carrier.call(self._carrier.calls.make("cancel", flow_id))
        if word == b"lost":
            raise WorkflowNotFound(workflow_id=flow_id)
        if word == b"ended":
            raise WorkflowEnded(workflow_id=flow_id, state=more[0].decode())
        await self._carrier.revoke(flow_id, 0, count, "terminate" if terminate else "cancel")


def _node(flow_id: str, number: int, row: list[bytes]) -> NodeStatus:
    shape, state, rounds, due, finished, error, facts = row
    kind = _KINDS[shape[:1]]
    part = Part(flow_id, number, int(rounds or 0))
    return NodeStatus(
        number,
        kind,
        _STATES.get(state, "WAITING"),
        orjson.loads(facts)["task"] if facts else None,
        part.job_id if kind == "task" and state else None,
        float(due) if due else None,
        float(finished) if finished else None,
        orjson.loads(error) if error and kind == "task" else None,
    )
