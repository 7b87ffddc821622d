"""Breadth-first search of all states, so that the first violation found has the shortest trace."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .world import State, Step

Steps = Callable[[State], Iterable[Step]]
Judge = Callable[[State, State], str | None]
"""What is wrong with this step, from one state to the next, or None."""
RestJudge = Callable[[State], str | None]

NEVER_AT_REST = "the job never comes to rest"


@dataclass(slots=True)
class Finding:
    """A violation, and the events that lead to it."""

    what: str
    trace: list[str]

    def __str__(self) -> str:
        lines = [f"{number:3}. {label}" for number, label in enumerate(self.trace, 1)]
        return "\n".join([self.what, *lines])


@dataclass(slots=True)
class Search:
    """Goes from `start` through all steps."""

    steps: Steps
    judge: Judge
    judge_rest: RestJudge
    at_rest: Callable[[State], bool]
    canonical: Callable[[State], State] = lambda state: state
    states: list[State] = field(default_factory=list)
    edges: int = 0
    _parents: list[int] = field(default_factory=list)
    _places: dict[State, int] = field(default_factory=dict)
    _goes_to: list[tuple[int, ...]] = field(default_factory=list)
    """For each state, where it goes if no fault happens and no operator asks for anything."""

    def run(self, start: State) -> Finding | None:
        """The first violation, if there is one."""
        # No cycles arise, and the collector would walk through all states over and over.
        gc.disable()
        try:
            return self._through_all(start)
        finally:
            gc.enable()

    def _through_all(self, start: State) -> Finding | None:
        self._add(start, -1)
        place = 0
        while place < len(self.states):
            finding = self._expand(place)
            if finding is not None:
                return finding
            place += 1
        return self._stuck()

    def _add(self, state: State, parent: int) -> int:
        place = self._places.setdefault(state, len(self.states))
        if place == len(self.states):
            self.states.append(state)
            self._parents.append(parent)
        return place

    def _expand(self, place: int) -> Finding | None:
        state = self.states[place]
        if self.at_rest(state) and (what := self.judge_rest(state)):
            return Finding(what, self._trace(place))
        onward = []
        for label, reached, chosen in self.steps(state):
            after = self.canonical(reached)
            self.edges += 1
            if what := self.judge(state, after):
                return Finding(what, [*self._trace(place), label])
            after_place = self._add(after, place)
            if not chosen:
                onward.append(after_place)
        self._goes_to.append(tuple(onward))
        return None

    def _trace(self, place: int) -> list[str]:
        labels: list[str] = []
        while (parent := self._parents[place]) >= 0:
            state = self.states[place]
            before = self.steps(self.states[parent])
            labels.append(next(s.label for s in before if self.canonical(s.state) == state))
            place = parent
        return labels[::-1]

    def _stuck(self) -> Finding | None:
        """The first state from which rest cannot be reached though no more fault happens: a job is
        parked for ever, say. Where it can be reached, fair scheduling reaches it."""
        ends = bytearray(map(self.at_rest, self.states))
        changed = True
        while changed:
            changed = False
            for place in range(len(ends) - 1, -1, -1):
                if not ends[place] and any(ends[after] for after in self._goes_to[place]):
                    ends[place] = changed = True
        first = ends.find(0)
        return Finding(NEVER_AT_REST, self._trace(first)) if first >= 0 else None
