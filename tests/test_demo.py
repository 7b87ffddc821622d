"""The demo, as a newcomer runs it: every count must be as it should be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_demo_ends_well_with_every_count_as_it_should_be(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.scan.demo"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "WARRENER_SCAN_REPORTS": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(
        r"demo ok: submitted=20 succeeded=20 retried=2 dead-lettered=1 replayed=1 lost=0", last
    )
    reports = sorted(tmp_path.glob("**/*.html"))
    assert len(reports) == 2
    assert "/garden/carrots/stock" in reports[-1].read_text()
