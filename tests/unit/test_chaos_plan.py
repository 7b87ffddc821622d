"""The plan of a run of chaos: the same for the same seed, and within its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.entry import FLAWS
from chaos.plan import ABOUT, EVERYONE, KINDS, WORKERS, make_plan

seeds = st.integers(0, 2**32)
minutes = st.floats(0.2, 5)


@given(seeds, minutes)
def test_the_same_seed_makes_the_same_plan(seed: int, minutes: float) -> None:
    assert make_plan(seed, minutes) == make_plan(seed, minutes)


def test_another_seed_makes_another_plan() -> None:
    assert len({tuple(map(str, make_plan(seed, 1))) for seed in range(20)}) == 20


@given(seeds, minutes)
def test_faults_come_in_order_and_leave_time_at_both_ends(seed: int, minutes: float) -> None:
    times = [fault.at for fault in make_plan(seed, minutes)]
    assert times == sorted(times)
    assert all(3 <= at <= minutes * 60 - 5 + 0.01 for at in times)


@given(seeds)
def test_each_fault_has_a_kind_a_length_and_somebody_whom_it_can_hit(seed: int) -> None:
    for fault in make_plan(seed, 3):
        _, shortest, longest = KINDS[fault.kind]
        assert shortest <= fault.seconds <= longest
        alone = any(word in fault.kind for word in ("worker", "child", "group"))
        assert fault.target in range(0 if alone else EVERYONE, WORKERS)


def test_a_long_run_has_every_kind() -> None:
    assert {fault.kind for fault in make_plan(1, 30)} == KINDS.keys()


@given(seeds)
def test_with_a_rule_off_nothing_happens_but_what_the_rule_is_there_for(seed: int) -> None:
    plan = make_plan(seed, 0.5, without="generations")
    assert {fault.kind for fault in plan} <= {"replay"}
    assert ABOUT.keys() == set(FLAWS)


@pytest.mark.parametrize("minutes", [0, 0.1])
def test_a_run_that_is_too_short_has_no_faults(minutes: float) -> None:
    assert make_plan(1, minutes) == []


def test_a_fault_says_whom_it_hits_and_for_how_long() -> None:
    texts = [str(fault) for fault in make_plan(1, 30)]
    assert any(text.startswith("kill worker (worker ") for text in texts)
    assert any(text.startswith("mute store (everyone) for ") for text in texts)
