"""The moments of a run of chaos with a rule off: whether a fault has fallen into one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chaos.moments import Moments

KILLED = """
import os, signal, sys
from pathlib import Path
from chaos.moments import Moments
with Moments(Path(sys.argv[1])).owing():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def moments(tmp_path: Path) -> Moments:
    return Moments(tmp_path)


def test_at_first_none_is_met(moments: Moments) -> None:
    assert not any(moments.met(rule) for rule in ("owed", "generations", "none"))


def test_a_process_that_was_killed_while_it_owed(moments: Moments, tmp_path: Path) -> None:
    with moments.owing():
        assert not moments.met("owed")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert moments.met("owed")
    assert not moments.met("none")


def test_a_claim_between_a_replay_and_its_record(moments: Moments) -> None:
    moments.claimed("a", 1)
    assert moments.is_claimed("a", 1)
    assert not moments.is_claimed("a", 2)
    assert not moments.met("generations")
    moments.claimed_between("a")
    assert moments.met("generations")
    assert not moments.met("none")


def test_with_every_rule_on_both_kinds_are_wanted(moments: Moments, tmp_path: Path) -> None:
    moments.claimed_between("a")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert moments.met("none")
