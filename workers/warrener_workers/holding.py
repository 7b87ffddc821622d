"""How long deliveries may stay unacknowledged: what the tasks of a queue need, and what RabbitMQ allows.

RabbitMQ takes back what was delivered longer ago than its consumer_timeout, 30 minutes unless configured
otherwise. From 4.3 on a consumer of a quorum queue says how long it wants; nobody else can say it per
consumer, and as a queue argument it would be fixed for ever.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from warrener.settings import Settings

from .registry import TaskSpec

log = logging.getLogger(__name__)

USUAL_TIMEOUT = 1800.0
"""Seconds of RabbitMQ's consumer_timeout where nobody configured it (since 3.8.17)."""
LONGEST = 365 * 86_400.0
"""Seconds. 4.3.6 takes ten years as well, but at 2⁵³ ms the queue's process crashes."""
MARGIN = 300.0
"""Seconds beside the run itself: for a claim and a result that wait for Redis."""
SAYS_IT = (4, 3)
"""The first version with the consumer argument."""


@dataclass(frozen=True, slots=True)
class Holding:
    """How long deliveries of one queue may be held, because of this task. Seconds; inf without end."""

    task: str
    limit: float
    """The task's time limit."""
    held: float
    """With what comes before and after."""


def holdings(
    specs: Iterable[TaskSpec], queues: Iterable[str], turns: int, settings: Settings
) -> dict[str, Holding]:
    """What the task with the longest time limit of each queue needs; nothing for a queue without tasks.
    A delivery waits for as many `turns`, its own among them."""
    longest: dict[str, Holding] = {}
    wanted = set(queues)
    for spec in specs:
        limit = math.inf if spec.time_limit is None else spec.time_limit
        if spec.queue in wanted and (
            spec.queue not in longest or limit > longest[spec.queue].limit
        ):
            held = turns * (limit + settings.neighbour_grace) + MARGIN
            longest[spec.queue] = Holding(spec.name, limit, held)
    return longest


def consumer_arguments(
    holding: Holding | None, version: tuple[int, ...], settings: Settings
) -> dict[str, Any]:
    """What a consumer says of its timeout, where it can. Without a task that is known nothing, so that
    the broker's own limit holds; for one without a time limit, the longest."""
    # A classic queue of 4.3 has no timeout, and refuses a queue argument that sets one.
    if holding is None or version < SAYS_IT or settings.queue_type != "quorum":
        return {}
    # 0 would not mean "never": 4.3.6 then cancels the consumer with its first delivery.
    return {"x-consumer-timeout": math.ceil(min(holding.held, LONGEST) * 1000)}


def warn_of(
    holdings: Mapping[str, Holding], version: tuple[int, ...], known_timeout: float | None
) -> None:
    """Say where a broker that cannot be told may take back what still runs: later than the seconds of
    `known_timeout`, or the usual ones. Nobody can read its limit without an administrator's rights."""
    if version >= SAYS_IT:
        return
    timeout = known_timeout or USUAL_TIMEOUT
    which = "is" if known_timeout else "unless configured otherwise is"
    known = "RabbitMQ " + ".".join(map(str, version)) if version else "RabbitMQ"
    remedy = "set consumer_timeout in rabbitmq.conf"
    if version >= (3, 12):
        remedy += ", or a policy with consumer-timeout for this queue,"
    for queue, holding in holdings.items():
        if holding.held - MARGIN > timeout and holding.limit < math.inf:
            log.warning(
                "%s takes back what is unacknowledged for longer than its consumer_timeout, which %s "
                "%g s, and jobs of task %r on queue %r may run for %g s: "
                "they go on and run once, but the worker must connect again; %s to %d ms or more, and "
                "WARRENER_CONSUMER_TIMEOUT to its seconds",
                known,
                which,
                timeout,
                holding.task,
                queue,
                holding.limit,
                remedy,
                math.ceil(holding.held * 1000),
            )
