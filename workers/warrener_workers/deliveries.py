"""A delivery, and a run: one delivery that was claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from warrener.messages import Message

from .acks import Settles
from .outcomes import Outcome
from .registry import TaskSpec


@dataclass(slots=True, eq=False)
class Delivery:
    """A message that RabbitMQ gave this worker and waits to hear of. Its tag is only good on the
    channel it came by: after a reconnect RabbitMQ delivers it again, and there is nothing to say."""

    message: Message
    queue: str
    tag: int
    channel: Settles
    undelivered: str = ""
    """Why RabbitMQ could not deliver it, if it comes from the queue for such messages."""
    settled: bool = False
    """True once RabbitMQ was told: a tag that is settled twice costs the channel."""
    on_settled: Callable[[], None] | None = None
    """Called then."""

    @property
    def stale(self) -> bool:
        """True if its channel is gone."""
        return self.channel.is_closed

    @property
    def facts(self) -> dict[str, object]:
        """What log lines say of it."""
        message = self.message
        return {
            "job": message.job_id,
            "task": message.task,
            "queue": self.queue,
            "attempt": message.attempt,
        }

    async def acknowledge(self) -> None:
        """Tell RabbitMQ that it is settled."""
        if self._first() and not self.stale:
            self.channel.acknowledge(self.tag)

    async def reject(self) -> None:
        """Have RabbitMQ dead-letter it: from a work queue it comes to the undelivered ones, which every
        worker settles. From there it would be dropped, so that one is kept until its channel ends."""
        if not self.undelivered and self._first() and not self.stale:
            self.channel.give_back(self.tag, requeue=False)

    async def requeue(self) -> None:
        """Give it back to its queue. Nack, not reject: 4.3 charges a reject as a failed delivery."""
        if self._first() and not self.stale:
            self.channel.give_back(self.tag, requeue=True)

    def _first(self) -> bool:
        first, self.settled = not self.settled, True
        if first and self.on_settled is not None:
            self.on_settled()
        return first


@dataclass(eq=False, slots=True)
class Run:
    """One claimed attempt, on its way through a child. Unix seconds."""

    delivery: Delivery
    spec: TaskSpec
    token: str
    claimed: float
    """When the claim was made, which is before it was granted."""
    started: float
    """When a process began it; until then, when the claim was granted."""
    losses: int = 0
    tenure: int = 0
    """In which tenure of its worker its claim was last known to stand."""
    body: bytes | None = None
    """Its arguments, where they are not those of its message."""
    alone: bool = False
    """True if it must have a process of its own."""
    begun: bool = False
    """True while a process has it."""
    revoked: bool = False
    """True once it was asked to end."""
    sentence: Outcome | None = None
    """What it comes to once its process is killed for it: its time is over, or it was revoked."""

    @property
    def message(self) -> Message:
        """The attempt that runs."""
        return self.delivery.message
