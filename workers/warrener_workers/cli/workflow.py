"""`warrener workflow show` and `cancel`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from warrener import Warrener, WorkflowStatus
from warrener.client import Client
from warrener.workflow_handles import NodeStatus

from .noting import note
from .options import Json, OptionalApp, console, moment, print_json, with_client

commands = typer.Typer(help="Workflows: how far they are, and ending them.", no_args_is_help=True)
WorkflowId = Annotated[str, typer.Argument(help="The workflow's id.")]

MOST_SHOWN = 50
"""Parts of one group that are shown to people."""
EVERY = 0.5
"""Seconds between two looks with --watch."""
_COLOURS = {"SUCCESS": "green", "FAILURE": "red", "REVOKED": "yellow", "PENDING": "cyan"}


@commands.command("show")
def show(
    id: WorkflowId,
    app: OptionalApp = "",
    watch: Annotated[bool, typer.Option("--watch", help="Until it has ended.")] = False,
    json: Json = False,
) -> None:
    """A workflow: its parts with their states, how far it is, and what it waits for."""

    async def call(warrener: Warrener, _: Client) -> WorkflowStatus:
        handle = warrener.workflow(id)
        status = await handle.status()
        if not watch:
            return status
        with Live(_drawn(status), console=console, transient=True, auto_refresh=False) as live:
            while status.state in ("PENDING", "STARTED"):
                await asyncio.sleep(EVERY)
                status = await handle.status()
                live.update(_drawn(status), refresh=True)
        return status

    status = with_client(app, call)
    if json:
        print_json(asdict(status))
    else:
        console.print(_drawn(status))


@commands.command("cancel")
def cancel(
    id: WorkflowId,
    app: OptionalApp = "",
    terminate: Annotated[
        bool, typer.Option("--terminate", help="Kill the processes of what still runs.")
    ] = False,
    json: Json = False,
) -> None:
    """End a workflow as a whole: what has not begun never will, what runs is asked to end."""

    async def call(warrener: Warrener, client: Client) -> None:
        await warrener.workflow(id).revoke(terminate=terminate)
        await note(client, "revoke", workflow=id)

    with_client(app, call)
    if json:
        print_json({"id": id, "state": "REVOKED"})
    else:
        typer.echo(f"{id} is revoked")


def _drawn(status: WorkflowStatus) -> Tree:
    facts = f"{status.done} of {status.total} done, since {moment(status.created)}"
    if status.finished:
        facts += f", ended {moment(status.finished)}"
    tree = Tree(_line(f"workflow {status.id}", status.state, facts))
    for cause in status.causes:
        tree.add(Text(f"failed: {cause.get('task', '')}: {cause['type']}: {cause['message']}"))
    waits = ", ".join(node.task or "" for node in status.waits_for[:5])
    if waits and status.finished is None:
        tree.add(Text(f"waits for {waits}{' …' if len(status.waits_for) > 5 else ''}"))
    for line, branch in _parts([status.tree, *status.callbacks]):
        _add(tree, line, branch)
    return tree


def _add(above: Tree, line: Text, node: NodeStatus | None) -> None:
    branch = above.add(line)
    for inner, child in _parts(node.children if node else []):
        _add(branch, inner, child)


def _parts(nodes: list[NodeStatus]) -> Iterator[tuple[Text, NodeStatus | None]]:
    for node in nodes[:MOST_SHOWN]:
        facts = [node.job_id or "", moment(node.finished or node.due)]
        if node.error:
            facts.append(f"{node.error.get('type')}: {node.error.get('message')}")
        yield _line(node.task or node.kind, node.state, "  ".join(filter(None, facts))), node
    if len(nodes) > MOST_SHOWN:
        yield Text(f"… and {len(nodes) - MOST_SHOWN} more: see --json"), None


def _line(name: str, state: str, facts: str) -> Text:
    return Text.assemble(name, "  ", (state, _COLOURS.get(state, "")), "  ", (facts, "dim"))
