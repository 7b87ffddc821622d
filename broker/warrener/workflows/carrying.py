"""Carrying a plan on: what its scripts say is due is submitted, groups are opened page by page, and what
shall not begin any more is revoked. Doing any of it twice is harmless: ids are derived from plan, node and
round."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import orjson

from .. import transitions
from ..errors import WarrenerError
from ..ids import derived_id
from ..messages import NO_ARGUMENTS, PART, Message
from ..settings import Settings
from ..store import Call
from ..submissions import Submission
from ..transitions import Reply, Transition

T = TypeVar("T")

PAGE = 500
"""Nodes in one call of a script: some milliseconds of Redis."""
ENDED = "workflow_ended"
"""Why a job was revoked that was due, when what it is part of had failed or was revoked."""


@dataclass(frozen=True, slots=True)
class Part:
    """A task of a workflow, in a round: it is submitted anew in the next one."""

    flow: str
    node: int
    round: int = 0

    def __str__(self) -> str:
        return f"{self.flow}/{self.node}/{self.round}"

    @property
    def job_id(self) -> str:
        """The id of its job."""
        return derived_id("workflow", self.flow, str(self.node), str(self.round))


def part_of(message: Message) -> Part | None:
    """Which part of a workflow this job is; None for one of its own, or that claims another's part."""
    match = PART.fullmatch(message.workflow) if message.workflow else None
    if match is None:
        return None
    part = Part(match[1], int(match[2]), int(match[3]))
    return part if part.job_id == message.job_id else None


class WorkflowBackend(Protocol):
    """What workflows need of the world, beside what jobs need."""

    async def submit(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """See Backend.submit."""

    async def call(self, calls: Sequence[Call]) -> list[Reply]:
        """See Store.call."""

    async def apply(self, moves: Sequence[Transition]) -> list[Reply]:
        """See Store.apply."""

    async def look_for_revoked(self, job_ids: Sequence[str]) -> None:
        """Have workers look soon at which of these are revoked."""

    async def until(
        self, look: Callable[[], Awaitable[T | None]], name: str, timeout: float | None
    ) -> T | None:
        """What `look` finds, as soon as it finds something, or None after so many seconds."""


class Calls:
    """Calls of the scripts on plans."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock

    def make(self, script: str, flow: str, *arguments: str | bytes | float) -> Call:
        """A call of this script on this plan."""
        prefix, settings = self._settings.namespace, self._settings
        keys = (f"{prefix}:workflow:{{{flow}}}", f"{prefix}:workflow-end:{{{flow}}}")
        ttls = (max(1, round(settings.dedupe_ttl)), max(1, round(settings.result_ttl)))
        channel = f"{prefix}:ended:{flow}"
        return Call(f"workflows/{script}", keys, (self._clock(), *ttls, channel, *arguments))


Running = Literal["", "cancel", "terminate"]
"""What becomes of jobs that run: nothing, they are asked to end, or their processes are killed."""
Due = tuple[str, bytes]
"""A workflow's id, and something that is due in it, as scripts say it."""


class Carrier:
    """Carries plans on."""

    def __init__(
        self, backend: WorkflowBackend, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self.calls = Calls(settings, clock)
        self._backend = backend
        self._settings = settings
        self._clock = clock

    async def call(self, *calls: Call) -> list[Reply]:
        """What these scripts answer. Raises StoreUnavailable."""
        return await self._backend.call(calls)

    async def carry_out(self, due: Sequence[Due]) -> None:
        """Do all that is due, and what becomes due by that. Raises StoreUnavailable, and what submit()
        raises."""
        left = list(due)
        while left:
            tasks = [(flow, entry) for flow, entry in left if entry[:1] == b"t"]
            others = [(flow, entry) for flow, entry in left if entry[:1] != b"t"]
            left = await self._submit(tasks) if tasks else []
            for flow, entry in others:
                left += await self._pages(flow, entry)

    async def _submit(self, tasks: Sequence[Due]) -> list[Due]:
        found = [_submission(flow, entry) for flow, entry in tasks]
        answers = await self.deliver([submission for _, submission in found])
        more: list[Due] = []
        for (part, _), answer in zip(found, answers, strict=True):
            if isinstance(answer, WarrenerError):
                # Where it cannot be published, now or ever, its workflow must hear of it.
                error = {
                    "type": type(answer).__name__,
                    "message": str(answer),
                    "reason": "unpublished",
                }
                text = orjson.dumps({**error, "job_id": part.job_id})
                [reply] = await self.call(
                    self.calls.make("advance", part.flow, part.node, part.round, "F", text)
                )
                more += due_in(part.flow, reply)
        return more

    async def deliver(self, submissions: Sequence[Submission]) -> list[str | WarrenerError]:
        """Submit these. An error in its answer ends that task. Raises what a caller may try again."""
        answers = await self._backend.submit(submissions)
        for answer in answers:
            if isinstance(answer, WarrenerError):
                raise answer
        return answers

    async def _pages(self, flow: str, entry: bytes) -> list[Due]:
        """What becomes due by opening a group, resuming, or revoking what shall not begin."""
        kind, *numbers = entry.split()
        first = int(numbers[0]) if len(numbers) > 1 else 0
        count = int(numbers[-1])
        if kind == b"x":
            await self.revoke(flow, first, count)
            return []
        more: list[Due] = []
        for at in range(0, count, PAGE):
            if kind == b"g":
                call = self.calls.make("open", flow, first, at, PAGE)
            else:
                call = self.calls.make("resume", flow, at, PAGE)
            [reply] = await self.call(call)
            due = due_in(flow, reply)
            more += [one for one in due if one[1][:1] != b"t"]
            if tasks := [one for one in due if one[1][:1] == b"t"]:
                more += await self._submit(tasks)
        return more

    async def revoke(self, flow: str, first: int, count: int, running: Running = "") -> None:
        """Revoke the jobs of these nodes that shall not begin any more, and do so with those that run."""
        for at in range(first, first + count, PAGE):
            size = min(PAGE, first + count - at)
            [[word, *found]] = await self.call(self.calls.make("closing", flow, at, size))
            parts = [Part(flow, *map(int, one.split())) for one in found]
            if word == b"ok" and parts:
                await self._revoke(parts, running)

    async def _revoke(self, parts: Sequence[Part], running: Running) -> None:
        now, ttl = self._clock(), self._settings.dedupe_ttl
        moves = [
            transitions.ask_revoke(part.job_id, now, ENDED, ttl, terminate=running == "terminate")
            if running
            else transitions.revoke(Message(part.job_id, "", b""), now, ENDED, ttl)
            for part in parts
        ]
        replies = await self._backend.apply(moves)
        gone = [p for p, reply in zip(parts, replies, strict=True) if reply[0] == b"revoked"]
        asked = [p for p, reply in zip(parts, replies, strict=True) if reply[0] == b"asked"]
        if gone:
            error = orjson.dumps({"type": "Revoked", "message": ENDED, "reason": ENDED})
            await self.call(
                *(self.calls.make("advance", p.flow, p.node, p.round, "X", error) for p in gone)
            )
        if asked:
            await self._backend.look_for_revoked([part.job_id for part in asked])


def due_in(flow: str, reply: Reply) -> list[Due]:
    """What a script's answer says is due."""
    return [(flow, entry) for entry in reply[1:]] if reply[0] == b"ok" else []


def _submission(flow: str, entry: bytes) -> tuple[Part, Submission]:
    _, node, number, text = entry.split(b" ", 3)
    part = Part(flow, int(node), int(number))
    facts: dict[str, Any] = orjson.loads(text)
    return part, Submission(body=NO_ARGUMENTS, job_id=part.job_id, workflow=str(part), **facts)
