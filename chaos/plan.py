"""The plan of a run: which fault comes when, for how long, to whom. The same seed makes the same plan."""

from __future__ import annotations

import random
from dataclasses import dataclass

WORKERS = 4
BEATS = 3

# Kind, weight, and between which seconds it lasts (0: it is over at once).
KINDS: dict[str, tuple[int, float, float]] = {
    "kill worker": (4, 0, 0),
    "kill child": (6, 0, 0),
    "kill group": (2, 0, 0),
    "stop worker": (4, 0.3, 8),
    "stop child": (4, 0.3, 8),
    "restart worker": (3, 0, 0),
    "restart broker": (2, 0.2, 3),
    "restart store": (2, 0.1, 4),
    "cut broker": (5, 0, 0),
    "cut store": (5, 0, 0),
    "mute broker": (3, 1, 12),
    "mute store": (3, 1, 8),
    "alarm": (1, 1, 4),
    "replay": (7, 0, 0),
    "purge": (1, 0, 0),
    "revoke": (5, 0, 0),
    "pause queue": (3, 0.5, 6),
    "kill beat": (4, 0, 0),
    "stop beat": (4, 1, 9),
}
ABOUT = {"owed": ("kill worker",), "generations": ("replay",), "none": ("kill worker", "replay")}
"""The faults that a rule is there for: with it off nothing else happens, so that it is what fails."""
EVERYONE = -1
"""As a target: all workers, the API and the submitters."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` seconds after the start, for `seconds`, to the worker numbered `target`."""

    at: float
    kind: str
    target: int
    seconds: float

    @property
    def named(self) -> str:
        """What it is, and to whom it happens."""
        which = "beat" if "beat" in self.kind else "worker"
        whom = "everyone" if self.target == EVERYONE else f"{which} {self.target}"
        return f"{self.kind} ({whom})"

    def __str__(self) -> str:
        return f"{self.named} for {self.seconds:.1f} s" if self.seconds else self.named


def make_plan(seed: int, minutes: float, pause: float = 2.0, without: str = "") -> list[Fault]:
    """The faults of a run, in order of time, `pause` seconds apart on average; those that are about the
    rule that is off, if one is."""
    chance = random.Random(seed)
    kinds = list(ABOUT.get(without, KINDS))
    weights = [KINDS[kind][0] for kind in kinds]
    plan, at = [], 3.0
    while at < minutes * 60 - 5:
        [kind] = chance.choices(kinds, weights)
        _, shortest, longest = KINDS[kind]
        target = chance.randrange(-1, WORKERS) if kind.startswith(("cut", "mute")) else EVERYONE
        if "worker" in kind or "child" in kind or "group" in kind:
            target = chance.randrange(WORKERS)
        elif "beat" in kind:
            target = chance.randrange(BEATS)
        plan.append(Fault(round(at, 2), kind, target, round(chance.uniform(shortest, longest), 2)))
        at += chance.expovariate(1 / pause)
    return plan
