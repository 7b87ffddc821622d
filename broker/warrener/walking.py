"""A walk through a dead queue: what replaying, discarding and reindexing have in common. In each group of
letters something is done with those that are meant; the others go to the queue's end, in their order.

Whatever is done must be safe to do again: killed before the acknowledgement, the next walk meets the same
letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiormq.abc import DeliveredMessage

from .client import Client
from .dead_letters import DeadLetter, read
from .letter_index import DeadLetterIndex
from .masks import Masks
from .messages import BAD_SIGNATURE, Malformed, Message, Seal, decode
from .selecting import Selection
from .taking import WINDOW, Passes
from .topology import Names

KEPT_FAULTS = 100


class Letter:
    """One message of the dead queue, read. `unsigned` says what is wrong with its signature."""

    def __init__(
        self, delivered: DeliveredMessage, queue: str, seal: Seal | None, place: str
    ) -> None:
        found = decode(delivered.header.properties, delivered.body)
        self.delivered = delivered
        self.message = found if isinstance(found, Message) else None
        if isinstance(found, Malformed):
            stand_in = Message(
                found.job_id or "", found.task or "", found.body, extra=found.headers
            )
            self.facts: DeadLetter = read(stand_in, queue)
        else:
            self.facts = read(self.message or found.message, queue)  # type: ignore[union-attr]
        checked = found if seal is None else seal.check(found, place)
        self.unsigned = checked.reason if isinstance(checked, Malformed) else ""

    @property
    def unclaimed(self) -> bool:
        """True if a worker refused it without looking at its job's record."""
        return bool(self.unsigned) and self.facts.reason == BAD_SIGNATURE


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter. One that was `done` before need not stay either."""

    letter: Letter
    done: bool = False
    already: bool = False
    fault: str = ""
    """Why it stays."""


@dataclass(slots=True)
class WalkReport:
    """What a walk did."""

    queue: str
    seen: int = 0
    done: int = 0
    kept: int = 0
    already: int = 0
    """Letters with which it had been done before: acknowledged, and no more."""
    failed: int = 0
    faults: list[str] = field(default_factory=list)
    """Why letters that were meant stay; the first 100."""
    job_ids: list[str] = field(default_factory=list)
    whole: bool = False
    """True if it met everything that the queue held at its beginning."""
    in_place: bool = False
    """True if what stays is where it was all the while."""


class Work(Protocol):
    """What is done with the letters that are meant."""

    def fault(self, letter: Letter) -> str:
        """Why it cannot be done with this letter, or nothing."""

    async def do(self, letters: Sequence[Letter]) -> list[Fate]:
        """Do it; one answer for each."""


class Control:
    """How far a walk may go, and how fast: this one as fast as it can, to at most `limit` letters."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit

    async def allowed(self) -> int:
        """As taking.Allowance."""
        return WINDOW

    async def reserve(self, letters: Sequence[Letter], report: WalkReport) -> list[Letter]:
        """Those of these letters with which it may be done."""
        room = len(letters) if self._limit is None else max(0, self._limit - report.done)
        return list(letters[:room])

    async def settling(self, fates: Sequence[Fate], report: WalkReport) -> None:
        """A group is about to be acknowledged; these are the letters that were meant."""


async def walk(
    client: Client,
    passes: Passes,
    queue: str,
    selection: Selection,
    work: Work,
    control: Control,
) -> WalkReport:
    """Go once through the dead queue of a work queue. Raises QueueNotFound, QueueBusy, BrokerUnavailable,
    StoreUnavailable."""
    report, masks = WalkReport(queue), Masks(client.settings, client.store)
    index = DeadLetterIndex(client.settings, client.store)
    place = Names(client.settings.namespace).dead_queue(queue)
    async with passes(place) as one:
        report.in_place = one.in_place
        async for group in one.groups(control.allowed):
            letters = [Letter(delivered, queue, client.seal, place) for delivered in group]
            meant = await _meant(index, masks, queue, letters, selection)
            faults = {id(letter): work.fault(letter) for letter in meant}
            chosen = [letter for letter in meant if not faults[id(letter)]]
            chosen = await control.reserve(chosen, report)
            fates = await work.do(chosen) if chosen else []
            stay = [Fate(x, fault=fault) for x in meant if (fault := faults[id(x)])]
            gone = {id(fate.letter) for fate in fates if fate.done or fate.already}
            _count(report, len(letters), [*stay, *fates])
            await control.settling([*stay, *fates], report)
            keep = [letter.delivered for letter in letters if id(letter) not in gone]
            await one.settle(group, keep)
        report.whole = one.whole
    return report


async def _meant(
    index: DeadLetterIndex,
    masks: Masks,
    queue: str,
    letters: Sequence[Letter],
    selection: Selection,
) -> list[Letter]:
    """Those that are meant. A text is looked for in what is listed, or would be: who searches for what a
    listing hides finds none here either."""
    if not selection.text:
        return [letter for letter in letters if selection.takes(letter.facts)]
    lines = await index.lines(queue, [letter.facts.id for letter in letters])
    shown = await masks.letters(letter.facts for letter in letters)
    listed = zip(letters, shown, lines, strict=True)
    return [letter for letter, facts, line in listed if selection.takes(facts, line)]


def _count(report: WalkReport, seen: int, fates: Sequence[Fate]) -> None:
    done = [fate for fate in fates if fate.done]
    already = sum(fate.already for fate in fates)
    faults = [fate.fault for fate in fates if fate.fault]
    report.seen += seen
    report.done += len(done)
    report.already += already
    report.kept += seen - len(done) - already
    report.failed += len(faults)
    report.faults += faults[: KEPT_FAULTS - len(report.faults)]
    report.job_ids += [fate.letter.facts.job_id for fate in done]
