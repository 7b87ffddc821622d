"""Who takes whose place among a worker's children, without processes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from warrener.messages import Message
from warrener.retry import NEVER
from warrener_workers.acks import Settles
from warrener_workers.child_process import Child
from warrener_workers.children import Children
from warrener_workers.deliveries import Delivery, Run
from warrener_workers.frames import FrameLink, Kind
from warrener_workers.recycling import Recycling
from warrener_workers.registry import TaskSpec

SLOTS = 4


class _Link:
    def __init__(self) -> None:
        self.said: list[Kind] = []

    def say(self, kind: Kind, _header: dict[str, Any], _body: bytes = b"") -> None:
        self.said.append(kind)


class Staff:
    """Children that come when they are let in, of whom each is replaced after its first job."""

    def __init__(self, shared: int) -> None:
        self.came: list[Child] = []
        self.children = Children(
            self._spawn, shared, Recycling(max_jobs=1), lambda *_: None, lambda *_: None
        )

    async def _spawn(self, *, alone: bool, **_: Any) -> Child:
        child = Child(alone, cast(FrameLink, _Link()))
        self.came.append(child)
        return child

    async def arrived(self) -> None:
        """Let all come that are on their way."""
        await asyncio.gather(*self.children._starts)

    async def ready(self, shared: int) -> None:
        """Start, with all ready."""
        self.children.fill()
        await self.arrived()
        assert len(self.came) == shared
        for child in self.came:
            self.children.became_ready(child)

    def begin(self, child: Child) -> Run:
        """Have it begin a job."""
        delivery = Delivery(Message("a", "t", b""), "q", 1, cast(Settles, None))
        spec = TaskSpec("t", "q", NEVER.backoff, None, 3, False)
        run = Run(delivery, spec, f"token-{id(child)}-{child.begun}", 0.0, 0.0)
        self.children.begin(child, run)
        return run


def _stopped(child: Child) -> bool:
    return Kind.STOP in cast(_Link, child.link).said


async def test_a_due_child_gets_work_until_one_that_can_take_its_place_is_ready() -> None:
    staff = Staff(1)
    await staff.ready(1)
    [old] = staff.came
    run = staff.begin(old)
    await staff.arrived()
    [_, new] = staff.came
    assert old.due
    assert staff.children.roomiest(SLOTS) is old
    staff.begin(old)
    await staff.arrived()
    assert len(staff.came) == 2
    staff.children.became_ready(new)
    assert staff.children.roomiest(SLOTS) is new
    # What runs in it goes on.
    assert (old.closing, _stopped(old), run.token in old.running) == (True, False, True)


async def test_each_replacement_relieves_one() -> None:
    staff = Staff(2)
    await staff.ready(2)
    first, second = staff.came
    for child in (first, second):
        child.running.pop(staff.begin(child).token)
    await staff.arrived()
    third, fourth = staff.came[2:]
    staff.children.became_ready(third)
    assert sorted([_stopped(first), _stopped(second)]) == [False, True]
    staff.children.became_ready(fourth)
    assert _stopped(first)
    assert _stopped(second)
    assert not _stopped(third)
    assert not _stopped(fourth)


async def test_a_due_child_that_dies_leaves_one_replacement() -> None:
    staff = Staff(1)
    await staff.ready(1)
    [old] = staff.came
    staff.begin(old)
    assert staff.children.left(old, "killed")
    staff.children.fill()
    await staff.arrived()
    staff.children.fill()
    await staff.arrived()
    assert len(staff.came) == 2


async def test_a_replacement_that_dies_before_it_is_ready_is_replaced_itself() -> None:
    staff = Staff(1)
    await staff.ready(1)
    [old] = staff.came
    staff.begin(old)
    await staff.arrived()
    staff.children.registry.cancel()  # it was there: the app could be imported once
    assert staff.children.left(staff.came[1], "killed")
    staff.children.fill()
    await staff.arrived()
    assert len(staff.came) == 3
    assert staff.children.roomiest(SLOTS) is old
    assert not staff.children.broken.done()
