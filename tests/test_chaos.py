"""`./dev chaos` for real: a run in which every promise holds, and one in which a rule is switched off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from chaos.crowd import MIX
from chaos.plan import KINDS, make_plan

ROOT = Path(__file__).parents[1]
LAST_LINE = re.compile(
    r"chaos (ok|failed): accepted=(\d+) lost=(\d+) rerun=(\d+) overlapped=(\d+) faults=(\d+) seed=(\d+)"
)


def chaos(*arguments: str) -> tuple[int, re.Match[str], str]:
    """A run's exit code, its last line and all it said."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "130"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    last = LAST_LINE.fullmatch(lines[-1]) if lines else None
    assert last is not None, done.stdout + done.stderr
    return done.returncode, last, done.stdout


@pytest.mark.timeout(600)
def test_two_minutes_of_faults_break_no_promise() -> None:
    # The first seed whose plan has every kind of fault within two minutes.
    plans = ((seed, make_plan(seed, 2)) for seed in count(1))
    seed, plan = next((s, p) for s, p in plans if {fault.kind for fault in p} == KINDS.keys())
    code, last, said = chaos("--minutes", "2", "--seed", str(seed))
    assert (code, last[1]) == (0, "ok"), said
    assert last.group(3, 4, 5, 6, 7) == ("0", "0", "0", str(len(plan)), str(seed))
    # Jobs of each kind were under way, however few a slow machine takes.
    for name in (*(name for name, *_ in MIX), "metered"):
        assert re.search(rf" {name} +│ +[1-9]", said), said


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rule", ["owed", "generations"])
def test_without_a_rule_jobs_are_lost_and_it_says_so(rule: str) -> None:
    code, last, said = chaos("--minutes", "0.5", "--seed", "2", "--without", rule)
    assert (code, last[1]) == (1, "failed"), said
    assert int(last[3]) > 0, said
    assert "lost: " in said


@pytest.mark.timeout(900)
def test_the_same_faults_lose_nothing_with_every_rule_on() -> None:
    code, last, said = chaos("--minutes", "0.5", "--seed", "2", "--without", "none")
    assert (code, last[1]) == (0, "ok"), said
    assert int(last[6]) > 5, said
