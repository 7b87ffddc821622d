"""Schedules at run time, for the command line and HTTP: listed, made, changed, paused, removed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .app import Warrener
from .client import Client
from .errors import UnknownTask
from .masking import hidden, hidden_positional
from .masks import Masks
from .schedules import Definition, Schedule, ScheduleBook, Unreadable
from .scheduling import Scheduled, check, definition_of
from .timing import next_after


@dataclass(frozen=True, slots=True)
class ListedSchedule:
    """A schedule, its secret arguments masked, and the Unix time of its next tick; None while it is
    paused."""

    schedule: Schedule
    next: int | None

    def facts(self) -> dict[str, Any]:
        """What programs read. Times are Unix seconds."""
        definition = self.schedule.definition
        return {
            "name": definition.name,
            "source": "code" if self.schedule.in_code else "store",
            **definition.timing.to_json(),
            "task": definition.task,
            "args": definition.args,
            "kwargs": definition.kwargs,
            "queue": definition.queue,
            "expires": definition.expires,
            "missed": definition.missed,
            "overlap": definition.overlap,
            "paused": self.schedule.paused,
            "next": self.next,
            "last": self.schedule.fired,
            "job_id": self.schedule.job_id,
        }


class Schedules:
    """The schedules of an app. Every method raises StoreUnavailable while Redis is away."""

    def __init__(self, app: Warrener, client: Client) -> None:
        self._app = app
        self._client = client
        self._book = ScheduleBook(app.settings, client.store)
        self._masks = Masks(app.settings, client.store)

    async def leader(self) -> str | None:
        """Which beat leads; None if none does."""
        return await self._book.leader()

    async def all(self) -> tuple[list[ListedSchedule], list[Unreadable]]:
        """All of them, by name, and those that cannot be read."""
        schedules, unreadable = await self._book.everything()
        return [await self._listed(schedule) for schedule in schedules], unreadable

    async def find(self, name: str) -> ListedSchedule:
        """One of them. Raises ScheduleNotFound, and ScheduleError for one that cannot be read."""
        return await self._listed(await self._book.find(name))

    async def _listed(self, schedule: Schedule) -> ListedSchedule:
        schedule = replace(schedule, definition=await self._masked(schedule.definition))
        if schedule.paused:
            return ListedSchedule(schedule, None)
        now = self._client.clock()
        return ListedSchedule(schedule, next_after(schedule.definition.timing, now))

    async def _masked(self, definition: Definition) -> Definition:
        task, args, kwargs = (
            self._app.tasks.get(definition.task),
            definition.args,
            definition.kwargs,
        )
        if task is not None and task.schema.has_secrets:
            args = hidden_positional(args, task.schema.json_schema)
            kwargs = hidden(kwargs, task.schema.json_schema)
        elif task is None:
            args, kwargs = await self._masks.arguments(definition.task, args, kwargs)
        return replace(definition, args=args, kwargs=kwargs)

    async def add(self, scheduled: Scheduled) -> None:
        """Make one. Raises ScheduleError, ScheduleExists, UnknownTask, InvalidArguments,
        PayloadTooLarge."""
        await self._book.add(await self._definition(scheduled), self._client.clock())

    async def change(self, scheduled: Scheduled) -> None:
        """Define one anew. Raises ScheduleNotFound, ScheduleInCode, and what add() raises."""
        await self._book.change(await self._definition(scheduled), self._client.clock())

    async def _definition(self, scheduled: Scheduled) -> Definition:
        """Its task is one that is declared here, or that workers have published."""
        name, tasks = check(scheduled).signature.task, self._app.tasks
        if name not in tasks and await self._client.find_task(name) is None:
            raise UnknownTask(task=name, known=", ".join(sorted(tasks)) or "none")
        return definition_of(scheduled, tasks.get(name), self._app.settings)

    async def pause(self, name: str, *, paused: bool) -> None:
        """Pause or resume one. Raises ScheduleNotFound."""
        await self._book.pause(name, self._client.clock(), paused=paused)

    async def remove(self, name: str) -> None:
        """Forget one. Raises ScheduleNotFound, ScheduleInCode."""
        await self._book.remove(name)

    async def fire_now(self, name: str) -> str:
        """Submit its call once, beside its ticks; the job's id. Raises ScheduleNotFound, and what
        Task.send raises."""
        schedule = await self._book.find(name)
        return (await self._app.submit(self._app.call_of(schedule.definition))).id
