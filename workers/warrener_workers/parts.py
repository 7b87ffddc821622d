"""What a worker consists of, put together."""

from __future__ import annotations

from collections.abc import Callable

from warrener.client import Client
from warrener.flow import Flow
from warrener.presence import PresenceBoard
from warrener.transitions import Runner

from .advancing import Advancing
from .beating import first_presence
from .consumer import Consumer
from .context import Context
from .deliveries import Run
from .holding import holdings
from .intake import Intake
from .members import Members
from .registry import Registry
from .settlement import Settlement
from .tally import Tally
from .throttling import Throttling
from .watchdog import Watchdog
from .worker_settings import WorkerSettings


class Parts:
    """The parts of a worker, once its app's settings and tasks are known."""

    def __init__(
        self,
        registry: Registry,
        mine: WorkerSettings,
        dispatch: Callable[[Run], None],
        clock: Callable[[], float],
    ) -> None:
        self.settings = registry.settings
        self.client = Client(self.settings, mine.queues, clock=clock)
        slots = mine.slots_per_child * mine.processes
        self.presence = first_presence(mine.name, mine.queues, mine.pool, slots, clock())
        runner = Runner(self.presence.owner, mine.name)
        self.context = Context(self.settings, self.client.store, runner, clock)
        self.board = PresenceBoard(self.settings, self.client.store)
        self.tally = Tally(self.context)
        advancing = Advancing(self.client)
        self.settlement = Settlement(self.context, self.client.publisher, self.tally, advancing)
        self.members = Members(self.context, advancing.carrier, self.settlement.finish, dispatch)
        self.intake = Intake(
            self.context, self.board, self.settlement, registry, self.members.dispatch
        )
        flow = Flow(self.settings, self.client.store)
        self.throttling = Throttling(
            self.context, flow, registry, self.settlement, self.intake.admit, mine.queues
        )
        self.intake.admit = self.throttling.admit
        held = holdings(registry.specs.values(), mine.queues, mine.turns, self.settings)
        self.consumer = Consumer(
            self.settings,
            f"warrener worker {mine.name}",
            {queue: held.get(queue) for queue in mine.queues},
            mine.prefetch_per_queue,
            self.intake.take,
            Watchdog(self.settings, self.client.publisher, mine.queues, self.tally.saw),
            self.client.seal,
        )
        self.throttling.sluices.consumer = self.consumer
