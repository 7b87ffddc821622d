"""A workflow's plan: its tree as numbered nodes, in the fields that the store keeps (scripts/workflows)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json, to_json

from ..calls import encode_unchecked
from ..canvas import Chain, Group, Step, Wishes, Workflow
from ..errors import ConfigurationError, PayloadTooLarge
from ..tasks import Options, Signature

DEEPEST = 50
"""Levels of chains and groups within each other."""
MOST_NODES = 1_000_000
ROOT, CALLBACK = -1, -2


@dataclass(slots=True)
class _Node:
    step: Step[Any, Any]
    number: int
    parent: int
    place: int = 0
    children: list[_Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A call as a plan holds it: its queue, its arguments as JSON, and what its limits count by."""

    queue: str
    body: bytes
    concurrency_key: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A workflow, ready to be stored: how many tasks and nodes it has, its fields, and a fingerprint that
    is the same for the same workflow."""

    tasks: int
    nodes: int
    fields: list[tuple[str, str | bytes]]
    fingerprint: str


async def draw(
    flow: Workflow[Any, Any],
    drawn: Callable[[Signature[Any], bool], Awaitable[Drawn]],
    max_payload: int,
) -> Plan:
    """The plan of this workflow. `drawn` is asked for each call, and told whether an argument comes before
    its own. Raises ConfigurationError, PayloadTooLarge and what `drawn` raises."""
    nodes = _numbered(flow)
    in_tree = len(nodes)
    fields: list[tuple[str, str | bytes]] = []
    for name in ("on_success", "on_error"):
        callback = getattr(flow.wishes, name)
        if callback is not None:
            nodes.append(_Node(_callback(name, callback), len(nodes), CALLBACK))
            fields.append((name, str(nodes[-1].number)))
    tasks = 0
    for node in nodes:
        fields.append((f"n{node.number}", _shape(node)))
        if isinstance(node.step, Signature):
            tasks += node.number < in_tree
            fields += await _task(node, nodes, flow.wishes, drawn, max_payload)
        else:
            fields.append((f"o{node.number}", _output(node)))
    digest = hashlib.sha256()
    for name, value in fields:
        text = value if isinstance(value, bytes) else value.encode()
        digest.update(f"{name}\x1f{len(text)}\x1f".encode() + text)
    return Plan(tasks, len(nodes), fields, digest.hexdigest())


def _numbered(flow: Workflow[Any, Any]) -> list[_Node]:
    """All nodes, level by level, so that the children of one are numbered in a row."""
    nodes = [_Node(flow, 0, ROOT)]
    level, depth = nodes, 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ConfigurationError(
                message=f"A workflow may be nested {DEEPEST} levels deep: this one is deeper"
            )
        below: list[_Node] = []
        for node in level:
            for place, step in enumerate(_steps_of(node.step)):
                child = _Node(step, len(nodes) + len(below), node.number, place)
                node.children.append(child)
                below.append(child)
        nodes = nodes + below
        level = below
        if len(nodes) > MOST_NODES:
            raise ConfigurationError(
                message=f"A workflow may have {MOST_NODES:,} parts: this one has more"
            )
    return nodes


def _steps_of(step: Step[Any, Any]) -> tuple[Step[Any, Any], ...]:
    if isinstance(step, Signature):
        return ()
    if not isinstance(step, Workflow):
        raise ConfigurationError(
            message=f"{step!r} is no part of a workflow: give calls (task.s(…)), chains and groups"
        )
    return step.steps


def _callback(name: str, step: Step[Any, Any]) -> Signature[Any]:
    if not isinstance(step, Signature):
        raise ConfigurationError(
            message=f"{name}={step!r} must be one call, such as task.s(): it cannot be a workflow"
        )
    return step


def _shape(node: _Node) -> str:
    """What nK holds."""
    step, children = node.step, node.children
    kind = "c" if isinstance(step, Chain) else "g" if isinstance(step, Group) else "t"
    mode = "c" if isinstance(step, Group) and step.on_error == "continue" else "f"
    if kind == "c" and not children:
        raise ConfigurationError(message="A chain needs at least one step: one has none")
    if node.parent >= 0 and isinstance(step, Workflow) and step.wishes != Wishes():
        raise ConfigurationError(
            message="id, idempotency_key, on_error= and on_success= belong to a workflow as a whole: "
            "a part of it has some of them"
        )
    first = children[0].number if children else 0
    return f"{kind} {node.parent} {first} {len(children)} {mode}"


def _output(node: _Node) -> str:
    """Which node gives the result of this one: tK for a task, gK for the list of a group."""
    while isinstance(node.step, Chain):
        node = node.children[-1]
    return f"{'g' if isinstance(node.step, Group) else 't'}{node.number}"


def _source(node: _Node, nodes: list[_Node], wishes: Wishes) -> str:
    """Which node gives the input of this one, as _output says it; `causes` for the error callback."""
    if node.parent == CALLBACK:
        return "causes" if node.step is wishes.on_error else _output(nodes[0])
    while node.parent >= 0:
        parent = nodes[node.parent]
        if isinstance(parent.step, Chain) and node.place > 0:
            return _output(parent.children[node.place - 1])
        node = parent
    return ""


async def _task(
    node: _Node,
    nodes: list[_Node],
    wishes: Wishes,
    drawn: Callable[[Signature[Any], bool], Awaitable[Drawn]],
    max_payload: int,
) -> list[tuple[str, str | bytes]]:
    call, number = node.step, node.number
    assert isinstance(call, Signature)
    if call.chosen.id is not None or call.chosen.idempotency_key is not None:
        raise ConfigurationError(
            message=f"{call.task!r} has an id or idempotency_key, and is part of a workflow, whose jobs "
            "have ids of their own: give it to the workflow, with .options(id=…)"
        )
    source = _source(node, nodes, wishes) if call.takes_result else ""
    found = await drawn(call, bool(source))
    if len(found.body) > max_payload:
        raise PayloadTooLarge(task=call.task, size=len(found.body), limit=max_payload)
    fields: list[tuple[str, str | bytes]] = [
        (f"t{number}", to_json(_facts(call.task, call.chosen, found))),
        (f"b{number}", found.body),
    ]
    return [*fields, (f"i{number}", source)] if source else fields


def _facts(task: str, chosen: Options, found: Drawn) -> dict[str, Any]:
    expires: Any = chosen.expires
    facts = {
        "task": task,
        "queue": found.queue,
        "concurrency_key": found.concurrency_key,
        "priority": found.priority,
        "countdown": chosen.countdown,
        "eta": None if chosen.eta is None else chosen.eta.timestamp(),
        "expires": expires if isinstance(expires, (int, float)) else None,
        "expires_at": expires.timestamp() if hasattr(expires, "timestamp") else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def carrying(plan: Plan, headers: dict[str, str]) -> Plan:
    """The plan, whose jobs' messages have these headers besides; it stays the same workflow."""
    if not headers:
        return plan
    fields = [
        (name, to_json({**from_json(text), "headers": headers}) if name.startswith("t") else text)
        for name, text in plan.fields
    ]
    return replace(plan, fields=fields)


def partial_body(call: Signature[Any]) -> bytes:
    """The arguments of a call before which another will be put, which its worker checks."""
    return encode_unchecked(call.args, call.kwargs, call.task)
