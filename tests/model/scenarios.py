"""What is searched. One search of every fault at once would take hours; these take seconds, and
between them every fault meets those that it could conspire with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial

from . import promises, protocol
from .records import Command, Moved, Record
from .search import Finding, Search
from .world import Left, Setting, State, canonical

SCENARIOS = {
    "two crashes": Setting(Left(crashes=2)),
    "two crashes and a double": Setting(Left(crashes=2, doubles=1), replays=0),
    "a crash, a double and a cut": Setting(Left(crashes=1, doubles=1, cuts=1), replays=0),
    "a crash and a cut around a replay": Setting(Left(crashes=1, cuts=1), attempts=1),
    "two crashes, a lost process and a run handed back": Setting(
        Left(crashes=2, losses=1, handbacks=1), replays=0
    ),
    "losses around a replay": Setting(Left(crashes=1, losses=1, handbacks=1), attempts=1),
    "two crashes and a purge": Setting(Left(crashes=2, purges=1), attempts=1),
    "two crashes and a revocation": Setting(Left(crashes=2, revokes=1), replays=0),
    "a revocation, a lost process and a run handed back": Setting(
        Left(crashes=1, revokes=1, losses=1, handbacks=1), attempts=1
    ),
    "a crash and an idempotency key": Setting(Left(crashes=1), keyed=True),
    "two crashes, a key, a delay and a purge": Setting(
        Left(crashes=2, purges=1), keyed=True, delayed=True, replays=0
    ),
    "both copies in one worker": Setting(
        Left(crashes=1, doubles=1), workers=1, hands=2, attempts=1
    ),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a search came to."""

    finding: Finding | None
    states: int
    edges: int
    moves: dict[tuple[Record | None, Command], Moved]

    def __str__(self) -> str:
        return (
            f"{self.states:,} states, {self.edges:,} steps, {len(self.moves):,} moves of the record"
        )


@cache
def searched(name: str) -> Result:
    """The search of one of SCENARIOS, made once however many tests ask for it."""
    setting = SCENARIOS[name]
    result = explored(setting, renumbered=True)
    if result.finding is not None:
        # Once more without renumbering: in that trace, a worker keeps its number.
        result = explored(replace(setting), renumbered=False)
    return result


def explored(setting: Setting, *, renumbered: bool) -> Result:
    """Search a setting. With `renumbered`, there are a quarter as many states."""
    search = Search(
        partial(protocol.steps, setting),
        promises.wrong_step,
        promises.wrong_at_rest,
        promises.at_rest,
        canonical if renumbered else _unchanged,
    )
    finding = search.run(setting.start())
    return Result(finding, len(search.states), search.edges, setting.moves)


def _unchanged(state: State) -> State:
    return state
