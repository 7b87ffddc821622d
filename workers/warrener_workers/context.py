"""What the parts of one worker share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from warrener.settings import Settings
from warrener.store import Store
from warrener.transitions import Runner, Transition, claim

from .deliveries import Delivery, Run
from .tenure import Tenure


@dataclass(frozen=True)
class Context:
    """One worker's settings, store, name, time, and what it has claimed."""

    settings: Settings
    store: Store
    runner: Runner
    clock: Callable[[], float]
    active: dict[str, Run] = field(default_factory=dict)
    """Runs that are claimed and not settled, by job id."""
    tenure: Tenure = field(default_factory=Tenure)

    def claim(self, delivery: Delivery, token: str, made: float, abandoned: str = "") -> Transition:
        """The claim of this delivery, if need be in place of an abandoned one."""
        ttl = self.settings.dedupe_ttl
        return claim(delivery.message, delivery.queue, token, self.runner, made, ttl, abandoned)
