"""Beat: the process that submits what is due. Any number may run; one leads, by a lease in Redis.

A tick's job id comes from the schedule and the tick, so that submitting it twice runs it once; hence
the order: publish, confirmed, then record. Whoever dies in between, or leads without knowing that it
no longer does, does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from warrener import DuplicateJob, StoreUnavailable, Warrener, WarrenerError
from warrener.client import Client
from warrener.ids import new_id
from warrener.schedules import Schedule, ScheduleBook, tick_id

from .schedule import asks_for_its_predecessor, next_due, plan

log = logging.getLogger(__name__)

LEASE = 5.0
"""Seconds after which a beat that has gone silent is replaced."""
LOOK = 1.0
"""Seconds between two looks, at most."""


class Beat:
    """One beat. `steady` is a clock that stands still for nobody, for the lease."""

    def __init__(self, app: Warrener, client: Client, steady: Callable[[], float]) -> None:
        self._app = app
        self._client = client
        self._book = ScheduleBook(app.settings, client.store)
        self._steady = steady
        self._token = new_id()
        self._who = f"{socket.gethostname()}, process {os.getpid()}"
        self._until = float("-inf")
        self._adopted = False
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let it end after what it is doing."""
        self._stopping.set()

    @property
    def leads(self) -> bool:
        """True while it holds the lease for certain: one that was stopped for a while does not."""
        return self._steady() < self._until

    async def run(self) -> None:
        """Lead, or wait to, until stopped. Raises ScheduleError, InvalidArguments for what is in code."""
        _ = self._app.definitions  # what is wrong in code is said at the start
        leasing = asyncio.create_task(self._keep_leading(), name="lease")
        try:
            while not self._stopping.is_set():
                pause = LOOK / 4  # soon after it leads
                if self.leads:
                    try:
                        pause = await self.look()
                    except StoreUnavailable as error:
                        log.warning("nothing is submitted: %s", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.01, pause)):
                        await self._stopping.wait()
        finally:
            leasing.cancel()
            await asyncio.gather(leasing, return_exceptions=True)
            with suppress(StoreUnavailable):
                await self._book.resign(self._token)

    async def _keep_leading(self) -> None:
        while True:
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(LEASE):
                    await self.lead()
            await asyncio.sleep(LOOK)

    async def lead(self) -> None:
        """Take the lease, or keep it."""
        led, asked = self.leads, self._steady()
        leader = await self._book.lead(self._token, self._who, LEASE)
        self._until = float("-inf") if leader else asked + LEASE
        if not leader and not led:
            self._adopted = False
            log.info("this beat leads")
        elif leader and led:
            log.info("%s leads", leader)

    async def look(self) -> float:
        """Submit what is due; seconds until the next look. Raises StoreUnavailable."""
        await self._adopt()
        schedules = await self._book.all()
        done = await asyncio.gather(*map(self._advance, schedules))
        now = self._client.clock()
        times = [due for schedule in done if (due := next_due(schedule, now)) is not None]
        return min([LOOK, *(max(0.0, due - now) for due in times if due > now)])

    async def next_due(self) -> float | None:
        """When the next tick of any schedule is due. Raises StoreUnavailable."""
        now = self._client.clock()
        times = [next_due(schedule, now) for schedule in await self._book.all()]
        return min((due for due in times if due is not None), default=None)

    async def _adopt(self) -> None:
        """Write what is in code into the store, and take out what no longer is."""
        if self._adopted:
            return
        mine, now = self._app.definitions, self._client.clock()
        schedules, unreadable = await self._book.everything()
        for one in unreadable:
            if one.name not in mine:  # what is in code is written anew
                log.error("schedule %s is left out: %s", one.name, one.reason)
        for schedule in schedules:
            name = schedule.definition.name
            if schedule.in_code and name not in mine:
                await self._book.remove(name, in_code=True)
                log.info("schedule %s is no longer in code, and removed", name)
            elif name in mine and not schedule.in_code:
                log.warning("schedule %s is in code as well, which counts", name)
        for definition in mine.values():
            await self._book.adopt(definition, now)
        self._adopted = True

    async def _advance(self, schedule: Schedule) -> Schedule:
        name = schedule.definition.name
        try:
            return await self._do_what_is_due(schedule)
        except StoreUnavailable:
            raise
        except WarrenerError as error:
            log.error("schedule %s: nothing was submitted; tried again: %s", name, error)
            return schedule

    async def _do_what_is_due(self, schedule: Schedule) -> Schedule:
        busy = False
        if plan(schedule, self._client.clock(), busy=False) is None:
            return schedule
        if asks_for_its_predecessor(schedule):
            busy = await self._runs(schedule.job_id or "")
        todo = plan(schedule, self._client.clock(), busy=busy)
        if todo is None:
            return schedule
        name, job_id, fired = schedule.definition.name, "", None
        for due in todo.run:
            if not self.leads:
                return schedule
            fired, job_id = due, await self._submit(schedule, due)
            upto = max(due, int(schedule.last))
            if due != todo.run[-1]:
                await self._book.record(
                    self._token, name, upto, fired=fired, job_id=job_id, held=None
                )
        await self._book.record(
            self._token, name, todo.last, fired=fired, job_id=job_id, held=todo.held
        )
        if not todo.run:
            log.info("schedule %s: ticks up to %d are left out or wait", name, todo.last)
        return replace(schedule, last=float(todo.last), held=todo.held)

    async def _runs(self, job_id: str) -> bool:
        """True if this job has not ended. One whose record is lost counts as ended."""
        status = await self._client.store.status(job_id)
        return status is not None and not status.is_terminal

    async def _submit(self, schedule: Schedule, due: int) -> str:
        name = schedule.definition.name
        job_id = tick_id(self._app.settings.namespace, name, due)
        call = self._app.call_of(schedule.definition).options(id=job_id)
        try:
            await self._app.submit(call)
        except DuplicateJob as error:
            log.info("schedule %s: the tick of %d is left out: %s", name, due, error)
        else:
            log.info("schedule %s: the tick of %d is job %s", name, due, job_id)
        return job_id
