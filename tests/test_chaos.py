"""`./dev chaos` for real: a run in which every promise holds, and one in which a rule is switched off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    # The first seed whose plan has every kind of fault within two minutes, and not the broker's half of it.
    assert {fault.kind for fault in make_plan(5, 2)} == KINDS.keys()
    code, last, said = chaos("--minutes", "2", "--seed", "5")
    assert (code, last[1]) == (0, "ok"), said
    accepted, faults = int(last[2]), int(last[6])
    assert accepted > 500, said
    assert faults > 20, said
    assert last.group(3, 4, 5, 7) == ("0", "0", "0", "5")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("rule", ["owed", "generations"])
def test_without_a_rule_jobs_are_lost_and_it_says_so(rule: str) -> None:
    code, last, said = chaos("--minutes", "0.5", "--seed", "2", "--without", rule)
    assert (code, last[1]) == (1, "failed"), said
    assert int(last[3]) > 0, said
    assert "lost: " in said


@pytest.mark.timeout(400)
def test_the_same_faults_lose_nothing_with_every_rule_on() -> None:
    code, last, said = chaos("--minutes", "0.5", "--seed", "2", "--without", "none")
    assert (code, last[1]) == (0, "ok"), said
    assert int(last[6]) > 5, said
