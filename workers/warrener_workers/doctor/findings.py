"""What the doctor says: findings, and what they have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only a problem makes `warrener doctor` exit with another code than 0."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, or could not be."""

    level: Level
    what: str
    why: str = ""
    """What follows from it."""
    remedy: str = ""


def ok(what: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, what)


def warning(what: str, why: str, remedy: str) -> Finding:
    """Nothing is broken yet."""
    return Finding(Level.WARNING, what, why, remedy)


def problem(what: str, why: str, remedy: str) -> Finding:
    """A promise does not hold, or jobs do not run."""
    return Finding(Level.PROBLEM, what, why, remedy)


def not_seen(what: str, reason: object, remedy: str) -> Finding:
    """Nobody can tell: said instead of claiming that all is well."""
    return Finding(Level.WARNING, f"not looked at: {what}", str(reason), remedy)


def version_of(text: str) -> tuple[int, int] | None:
    """The first two numbers of a version, or None."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def versions(
    server: str, text: str, oldest: tuple[int, int], newest: tuple[int, int], why: str
) -> list[Finding]:
    """Is this version one that Warrener supports? Newer ones than were tried are no problem by that."""
    version = version_of(text)
    supported = f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
    if version is None:
        return [not_seen(f"{server}'s version", f"it says {text!r}", f"Use {server} {supported}.")]
    if version < oldest:
        remedy = f"Upgrade it: {supported} are supported."
        return [problem(f"{server} {text} is too old", why, remedy)]
    if version > newest:
        remedy = f"Try it elsewhere first: {supported} are supported."
        return [warning(f"{server} {text} is newer than what was tried", "", remedy)]
    return [ok(f"{server} {text}")]


def some(names: list[str], most: int = 5) -> str:
    """The names in one line, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
