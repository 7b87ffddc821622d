"""The command line. It needs the extra `worker`; without it, it says so."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `warrener`."""
    try:
        from .commands import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("warrener: the command line needs more packages: pip install 'warrener[worker]'")
    run()
