"""Jobs of workflows between their claim and their run: the arguments come from the plan, those of many jobs
in one round trip; what shall not run any more ends here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from warrener import transitions
from warrener.editing import HEADER
from warrener.records import JobError
from warrener.transitions import Reply
from warrener.workflows import Carrier, Part, Resolver, part_of, with_input
from warrener.workflows.carrying import ENDED

from .context import Context
from .deliveries import Run
from .outcomes import Bury, Complete, Ending
from .patience import patiently

log = logging.getLogger(__name__)


class Members:
    """Stands before `dispatch`: jobs of their own pass at once."""

    def __init__(
        self,
        context: Context,
        carrier: Carrier,
        finish: Callable[[Run, Ending], None],
        dispatch: Callable[[Run], None],
    ) -> None:
        self._context = context
        self._carrier = carrier
        self._resolver = Resolver(carrier)
        self._finish = finish
        self._dispatch = dispatch
        self._waiting: list[Run] = []
        self._asking = False
        self._work: set[asyncio.Task[None]] = set()

    def dispatch(self, run: Run) -> None:
        """Have it run, once it has its arguments; returns at once."""
        if not run.message.workflow:
            self._dispatch(run)
            return
        self._waiting.append(run)
        if not self._asking:
            self._asking = True
            self._start(self._resolve_all(), [])

    async def _resolve_all(self) -> None:
        """One round trip at a time, so that the batches grow with the load."""
        try:
            while self._waiting:
                runs, self._waiting = self._waiting, []
                await self._guarded(self._resolve(runs), runs)
        finally:
            self._asking = False

    async def _resolve(self, runs: Sequence[Run]) -> None:
        asked: list[tuple[Run, Part]] = []
        for run in runs:
            part = part_of(run.message)
            if part is None:
                why = f"its header workflow={run.message.workflow!r} belongs to another job"
                self._end(run, Bury(JobError("MalformedMessage", why, "", "malformed")))
            else:
                asked.append((run, part))
        make = self._carrier.calls.make
        calls = [make("resolve", part.flow, part.node, part.round) for _, part in asked]
        replies = await patiently(partial(self._carrier.call, *calls)) if calls else []
        closed = []
        for (run, part), reply in zip(asked, replies, strict=True):
            if reply[0] in (b"closed", b"stale"):
                closed.append(run)
            elif reply[0] == b"run" and reply[2][:1] in (b"g", b"c"):
                self._start(self._gather(run, part, reply), [run])
            else:
                self._follow(run, part, reply, reply[3] if len(reply) > 3 else b"")
        if closed:
            await self._revoke(closed)

    async def _gather(self, run: Run, part: Part, reply: Reply) -> None:
        """The input is a list of many results."""
        value = await patiently(partial(self._resolver.input, part.flow, reply[2], b""))
        self._follow(run, part, reply if value is not None else [b"lost"], value or b"")

    def _follow(self, run: Run, part: Part, reply: Reply, value: bytes) -> None:
        match reply[0]:
            case b"run":
                # Of one that was replayed with other arguments, its message has them all.
                if HEADER not in run.message.extra:
                    run.body = with_input(reply[1], value) if reply[2] else reply[1]
                if self._context.active.get(run.message.job_id) is run:
                    self._dispatch(run)
            case b"done":
                self._end(run, Complete(reply[1]))
            case b"lost":
                text = f"the plan of workflow {part.flow} is not in the store: it has expired, or was lost"
                self._end(run, Bury(JobError("PlanLost", text, "", "plan_lost")))
            case _:
                text = f"the plan of workflow {part.flow} cannot be used: {reply[-1].decode()}"
                self._end(run, Bury(JobError("PlanBroken", text, "", "plan_broken")))

    async def _revoke(self, runs: Sequence[Run]) -> None:
        now, ttl = self._context.clock(), self._context.settings.dedupe_ttl
        asks = [
            transitions.ask_revoke(run.message.job_id, now, ENDED, ttl, terminate=False)
            for run in runs
        ]
        await patiently(partial(self._context.store.apply, asks))
        error = JobError("Revoked", "what it is part of has ended", "", ENDED)
        for run in runs:
            self._end(run, Bury(error))

    def _end(self, run: Run, ending: Ending) -> None:
        if self._context.active.get(run.message.job_id) is run:
            self._finish(run, ending)

    def _start(self, work: Coroutine[Any, Any, None], runs: Sequence[Run]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work, runs))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None], runs: Sequence[Run]) -> None:
        try:
            await work
        except Exception:
            log.exception("the arguments of %d job(s) cannot be read", len(runs))
            error = JobError("PlanBroken", "its arguments cannot be read", "", "plan_broken")
            for run in runs:
                self._end(run, Bury(error))

    async def drain(self, until: float | None = None) -> None:
        """Return once all that waits has its arguments, or at this time of the loop."""
        try:
            async with asyncio.timeout_at(until):
                while self._work:
                    await asyncio.gather(*self._work, return_exceptions=True)
        except TimeoutError:
            log.warning("jobs whose arguments the store has not given are given up")
