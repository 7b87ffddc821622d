"""What one worker is started with."""

from __future__ import annotations

import math
import os
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from warrener import ConfigurationError

from .recycling import Recycling

_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,128}")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What one worker is started with. `concurrency` counts slots per queue in each process.
    Raises ConfigurationError for a name that no log could show."""

    name: str
    queues: Sequence[str]
    concurrency: int = 4
    processes: int = 1
    pool: str = "processes"
    prefetch: int | None = None
    """Unsettled deliveries per queue; by default as many as there are slots."""
    recycling: Recycling = field(default_factory=Recycling)
    """When child processes are replaced."""
    attach: Sequence[Callable[[Any], Callable[[], None]]] = ()
    """Called with the worker's Parts before it begins, such as to measure them; what they answer is called
    at its end."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            reason = "use 1 to 128 characters, none of them a control character"
            raise ConfigurationError(message=f"{self.name!r} cannot name a worker: {reason}.")

    @property
    def slots_per_child(self) -> int:
        """Jobs that one child runs at once: prefetch counts per queue, so slots do as well."""
        if self.pool == "solo":
            return 1
        return self.concurrency * len(self.queues)

    @property
    def prefetch_per_queue(self) -> int:
        """Deliveries that RabbitMQ sends of one queue before any is settled."""
        return self.prefetch or self.concurrency * self.processes

    @property
    def turns(self) -> int:
        """How many jobs may run one after another in a slot before a delivery has had its turn."""
        return math.ceil(self.prefetch_per_queue / (self.concurrency * self.processes))


def default_name() -> str:
    """A worker's name when none is given: host and process."""
    return f"{socket.gethostname()}-{os.getpid()}"
