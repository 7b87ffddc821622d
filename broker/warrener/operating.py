"""Carrying operations out. Any process may host a runner: the API and beat do. The one that holds an
operation's lease goes through the dead queue; when it dies, the lease expires, and another goes through
what is left. Letters are replayed or discarded in such a way that doing it again changes nothing, so that
two who both believe to hold the lease do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from .asking import edit_of
from .audit import AuditTrail
from .client import Client
from .discarding import Discard
from .errors import BrokerUnavailable, QueueBusy, StoreUnavailable, WarrenerError
from .expiring import drop_old
from .ids import new_id
from .operations import Operation, Operations, Wanted
from .picking import FEW, few_of
from .reindexing_letters import Reindex
from .replaying import Revival, passes_of
from .selecting import ALL
from .steering import POLL, Steering, cancelled
from .taking import Passes
from .walking import WalkReport, Work, walk

log = logging.getLogger(__name__)

RETRY = 3.0
"""Seconds before another try of one that has to wait: its queue is busy, or a server away."""

PASSING = (QueueBusy, BrokerUnavailable, StoreUnavailable)


class OperationRunner:
    """Carries operations out, for as long as it runs, as one of any number of such. `steady` is a clock
    that stands still for nobody, for rates."""

    def __init__(
        self,
        client: Callable[[], Client],
        passes: Passes | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client_of = client
        self._passes = passes
        self._steady = steady
        self.owner = new_id()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Meanwhile it runs."""
        running = asyncio.create_task(self.run())
        try:
            yield
        finally:
            await cancelled(running)

    async def run(self) -> None:
        """Look for operations and carry them out, until cancelled; what is under way is then left to
        others."""
        try:
            while True:
                try:
                    await drop_old(self._client_of())
                    await self._take_up()
                except WarrenerError as error:
                    log.debug("no look at the operations: %s", error)
                except Exception:
                    log.exception("the operations cannot be looked at")
                await asyncio.sleep(POLL)
        finally:
            await cancelled(*self._running.values())

    async def _take_up(self) -> None:
        client, now = self._client_of(), time.monotonic()
        operations = Operations(client.settings, client.store)
        for operation_id in await operations.open():
            if operation_id in self._running or now < self._not_before.get(operation_id, 0.0):
                continue
            self._not_before.pop(operation_id, None)
            answer = await operations.take(operation_id, self.owner)
            if answer == "ok":
                task = asyncio.create_task(self._carry(client, operation_id))
                self._running[operation_id] = task
                task.add_done_callback(partial(self._left, operation_id))
            elif answer != "held":
                await operations.close(operation_id)

    def _left(self, operation_id: str, _: object) -> None:
        del self._running[operation_id]

    async def _carry(self, client: Client, operation_id: str) -> None:
        operations = Operations(client.settings, client.store)
        try:
            await self.carry_out(client, operation_id)
        except PASSING as error:
            self._not_before[operation_id] = time.monotonic() + RETRY
            log.info("operation %s waits: %s", operation_id, error)
            with suppress(WarrenerError):
                facts = {"state": "waiting", "note": str(error)}
                await operations.release(operation_id, self.owner, facts)
        except asyncio.CancelledError:
            with suppress(WarrenerError):
                await operations.release(operation_id, self.owner, {})
            raise
        except Exception as error:
            if not isinstance(error, WarrenerError):
                log.exception("operation %s failed", operation_id)
            await self.fail(client, operation_id, error)

    async def fail(self, client: Client, operation_id: str, error: BaseException) -> None:
        """Note that an operation failed, and does not go on."""
        said = str(error) if isinstance(error, WarrenerError) else "the server's log says why"
        facts = {"state": "failed", "finished": client.clock(), "note": said}
        with suppress(WarrenerError):
            await Operations(client.settings, client.store).finish(operation_id, self.owner, facts)

    async def carry_out(self, client: Client, operation_id: str) -> WalkReport:
        """Carry one out whose lease is ours, to its end. Raises what walking raises."""
        operations = Operations(client.settings, client.store)
        one = await operations.find(operation_id)
        trail = AuditTrail(client.settings, client.store)
        steering = Steering(operations, trail, one, self.owner, self._steady)
        started = {} if one.started else {"started": client.clock()}
        begun = {"state": "running", "note": "", **started}
        steering.told = await operations.note(operation_id, self.owner, begun)
        report, ended = WalkReport(one.wanted.queue), dict[str, Any]()
        if steering.told == "ok":  # else it ends here, whether or not its queue is free
            async with steering.watched():
                report, ended = await self._walk(client, one, steering)
        if steering.told != "lost":
            state = "cancelled" if steering.told == "cancel" else "done"
            facts = {"state": state, "finished": client.clock(), **ended}
            await operations.finish(operation_id, self.owner, facts)
        return report

    async def _walk(
        self, client: Client, one: Operation, steering: Steering
    ) -> tuple[WalkReport, dict[str, Any]]:
        wanted = one.wanted
        passes = self._passes or _passes_for(client, wanted)
        if wanted.kind == "reindex":
            reindex = Reindex(client, wanted.queue)
            await reindex.begin()
            report = await walk(client, passes, wanted.queue, ALL, reindex, steering)
            forgotten = await reindex.finish(report)
            return report, {"done": report.seen, "note": f"{forgotten} listed before are gone"}
        work: Work
        if wanted.kind == "discard":
            work = Discard(client, wanted.queue, wanted.by, wanted.reason, wanted.became)
        else:
            edit = await edit_of(client, wanted, one.id, one.created)
            work = Revival(
                client,
                wanted.queue,
                to_queue=wanted.to_queue,
                resign=wanted.resign,
                edit=edit,
                tried=one.reserved | one.counted,
            )
        report = await walk(client, passes, wanted.queue, wanted.selection, work, steering)
        return report, {}


def _passes_for(client: Client, wanted: Wanted) -> Passes:
    """Few letters among many are picked. The first of the queue are at its head, and while a rate has to
    wait, none may be held."""
    first = wanted.selection.is_of_times_alone
    if wanted.kind == "reindex" or wanted.rate is not None or first:
        return passes_of(client)
    counts = (len(wanted.selection.ids) or None, wanted.limit, wanted.total)
    few = min(one for one in (*counts, FEW + 1) if one is not None) <= FEW
    return partial(few_of, client.publisher, client.settings) if few else passes_of(client)
