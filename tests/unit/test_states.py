"""The table of states and the drawing above it."""

import re

import pytest

from warrener import State, states
from warrener.states import TERMINAL, TRANSITIONS

DRAWING = [line for line in (states.__doc__ or "").splitlines() if "►" in line]
Move = tuple[State | None, State]


def state(text: str) -> State | None:
    return None if text == "(none)" else State(text)


def drawn_moves() -> set[Move]:
    """The arrows of the drawing. A branch (├ └) or bar (│) belongs to the state that stands above
    it in an earlier line; words in parentheses are remarks."""
    moves: set[Move] = set()
    seen: list[tuple[range, State | None]] = []
    for line in DRAWING:
        sources: list[State | None] = []
        arrow = False
        for token in re.finditer(r"\(none\)|\([^)]*\)|[A-Z]+|[├└│]|─+►", line):
            text = token.group()
            if text in "├└│":
                above = [found for columns, found in seen if token.start() in columns][-1]
                if arrow and above:
                    moves |= {(source, above) for source in sources}
                sources, arrow = [above], False
            elif text.endswith("►"):
                arrow = True
            elif text == "(none)" or text.isupper():
                found = state(text)
                if arrow and found:
                    moves |= {(source, found) for source in sources}
                    sources, arrow = [], False
                sources.append(found)
                seen.append((range(*token.span()), found))
    return moves


TABLE: set[Move] = {(source, target) for source in TRANSITIONS for target in TRANSITIONS[source]}


def test_every_arrow_of_the_drawing_is_in_the_table() -> None:
    assert drawn_moves() - TABLE == set()


def test_every_move_of_the_table_is_drawn() -> None:
    # A pair the drawing has no room for fits a line "A, B ──► C (why)", like its last one.
    assert TABLE - drawn_moves() == set()


def test_the_table_names_every_state_once() -> None:
    assert set(TRANSITIONS) == {None, *State}


@pytest.mark.parametrize("final", [State.SUCCESS, State.REVOKED])
def test_nothing_leaves_a_final_state(final: State) -> None:
    assert final in TERMINAL
    assert TRANSITIONS[final] == frozenset()


def test_only_a_new_generation_leaves_failure() -> None:
    assert State.FAILURE in TERMINAL
    assert TRANSITIONS[State.FAILURE] == {State.PENDING, State.STARTED, State.REVOKED}


def test_every_state_can_be_reached() -> None:
    reached: set[State | None] = {None}
    while more := {t for s in reached for t in TRANSITIONS[s]} - reached:
        reached |= more
    assert reached == {None, *State}


def test_every_state_that_is_not_terminal_can_still_end_well() -> None:
    for start in set(State) - TERMINAL:
        assert State.STARTED in TRANSITIONS[start]
    assert State.SUCCESS in TRANSITIONS[State.STARTED]


@pytest.mark.parametrize("one", list(State))
def test_is_terminal_agrees_with_the_set(one: State) -> None:
    assert one.is_terminal is (one in {State.SUCCESS, State.FAILURE, State.REVOKED})


@pytest.mark.parametrize("one", list(State))
def test_a_state_is_its_name(one: State) -> None:
    assert one == one.name == str(one)
