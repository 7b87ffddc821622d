"""Warrener: the app that users declare their tasks on, and where the parts are put together."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .canvas import Workflow
from .client import Client
from .decorator import TaskDecorator
from .drafting import Drafter
from .errors import (
    DuplicateTask,
    PartlySubmitted,
    ScheduleError,
    UnknownTask,
    WarrenerError,
)
from .handles import JobHandle
from .ids import check_task_name
from .imports import import_module, name_of_module
from .middleware import Middleware, RunCall, compose
from .schedules import Definition, Missed, Overlap
from .scheduling import Scheduled, call_of, check, definition_of
from .settings import Settings, read_settings
from .submissions import Backend, Submission
from .sync import Portal
from .tasks import Signature, Task, TaskSettings
from .timing import Timing
from .topology import check_queue_name
from .workflow_handles import WorkflowHandle

if TYPE_CHECKING:
    from .workflows import Launcher

R = TypeVar("R")

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]


class Warrener:
    """An app: tasks, settings and the connections to send them with, which open at first use.

    `include` names modules with tasks, imported when first needed. `lifespan` is an asynccontextmanager
    that each child process of a worker enters once; what it yields is `job.resources`. `send` and
    `run` are middleware. Other keywords are settings (see Settings), before WARRENER_* in the
    environment.
    """

    def __init__(
        self,
        *,
        include: Sequence[str] = (),
        lifespan: Lifespan | None = None,
        send: Sequence[Middleware[Submission]] = (),
        run: Sequence[Middleware[RunCall]] = (),
        settings: Settings | None = None,
        **overrides: Any,
    ) -> None:
        self.settings = settings or read_settings(**overrides)
        self.lifespan = lifespan
        self.run_middleware = tuple(run)
        self.portal = Portal(self.close)
        self.carry: Callable[[], dict[str, str]] = dict
        """What every message carries from where it was sent (Submission.headers)."""
        self._send_middleware = tuple(send)
        self._include = list(include)
        self._tasks: dict[str, Task[..., Any]] = {}
        self._schedules: dict[str, Scheduled] = {}
        self._backends: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Backend]
        self._backends = weakref.WeakKeyDictionary()
        self._make_backend: Callable[[], Backend] = self._connect

    def add_middleware(self, send: Middleware[Submission], run: Middleware[RunCall]) -> None:
        """Put these around what there is: for parts that attach themselves to an app."""
        self._send_middleware = (send, *self._send_middleware)
        self.run_middleware = (run, *self.run_middleware)

    # Declaring -----------------------------------------------------------------------------------

    @property
    def task(self) -> TaskDecorator:
        """Declares a task: `@app.task` or `@app.task(queue=…, retry=…, …)`; see TaskSettings."""
        return TaskDecorator(self._declare, TaskSettings())

    def _declare(self, function: Callable[..., Any], settings: TaskSettings) -> Task[..., Any]:
        name = settings.name
        if name is None:
            name = f"{name_of_module(function)}.{function.__qualname__}"
        if check_task_name(name) in self._tasks:
            raise DuplicateTask(task=name)
        if settings.queue is not None:
            check_queue_name(settings.queue, self.settings.namespace)
        task: Task[..., Any] = Task(self, function, name, settings)
        self._tasks[name] = task
        return task

    @property
    def tasks(self) -> dict[str, Task[..., Any]]:
        """All tasks by name, after importing what `include` names. Raises AppImportError."""
        while self._include:
            module = self._include[0]
            import_module(module, module)
            self._include.remove(module)
        return self._tasks

    def queue_of(self, task: Task[..., Any]) -> str:
        """The queue on which a task's jobs run."""
        chosen = task.settings.queue
        return self.settings.default_queue if chosen is None else chosen

    @property
    def queues(self) -> list[str]:
        """The queues of all tasks, sorted."""
        return sorted({self.queue_of(task) for task in self.tasks.values()})

    def schedule(
        self,
        name: str,
        timing: Timing,
        call: Signature[Any],
        *,
        missed: Missed = "once",
        overlap: Overlap = "allow",
    ) -> None:
        """Have `warrener beat` submit this call whenever it is due: cron(…) or every(…). `missed` says what
        becomes of ticks that are over a minute late ("skip", "once", or how many run at most),
        `overlap` of those whose predecessor has not ended ("allow", "skip", "queue"). Raises
        ScheduleError."""
        if name in self._schedules:
            reason = f"two are called {name!r} in code"
            raise ScheduleError(reason=reason, remedy="Give one of them another name")
        self._schedules[name] = check(Scheduled(name, timing, call, missed, overlap))

    @property
    def schedules(self) -> list[str]:
        """The names of the schedules in code, sorted. Raises AppImportError."""
        _ = self.tasks  # their modules may declare some
        return sorted(self._schedules)

    @property
    def definitions(self) -> dict[str, Definition]:
        """The schedules in code, by name. Raises UnknownTask, InvalidArguments, PayloadTooLarge,
        AppImportError."""
        tasks, found = self.tasks, {}
        for name, scheduled in self._schedules.items():
            task = tasks.get(scheduled.signature.task)
            if task is None:
                known = ", ".join(sorted(tasks)) or "none"
                raise UnknownTask(task=scheduled.signature.task, known=known)
            found[name] = definition_of(scheduled, task, self.settings)
        return found

    def call_of(self, definition: Definition) -> Signature[Any]:
        """The call that a schedule submits. Raises InvalidArguments."""
        return call_of(definition, self.tasks.get(definition.task), self.signature)

    # Sending -------------------------------------------------------------------------------------

    async def send(self, task: str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]:
        """Submit by name. A task that is not declared here is looked up among those that workers have
        published. Raises UnknownTask, and what Task.send raises."""
        return await self.submit(Signature(self, task, args, kwargs))

    def send_sync(self, task: str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]:
        """send() for code without an event loop."""
        return self.submit_sync(Signature(self, task, args, kwargs))

    def signature(self, task: str, /, *args: Any, **kwargs: Any) -> Signature[Any]:
        """A call by name, as a value: `app.signature("shop.mail", to=x).options(countdown=5).send()`."""
        return Signature(self, task, args, kwargs)

    async def submit(self, signature: Signature[R]) -> JobHandle[R]:
        """Submit one call; see Task.send."""
        [answer] = await self._submit_all([await self.drafter().draft(signature)])
        if isinstance(answer, WarrenerError):
            raise answer
        return self._handle(answer, signature.task)

    def submit_sync(self, signature: Signature[R]) -> JobHandle[R]:
        """Submit one call from code without an event loop."""
        return self.portal.run(lambda: self.submit(signature), "send_sync()")

    async def send_many(self, signatures: Sequence[Signature[R]]) -> list[JobHandle[R]]:
        """Submit many calls at once, much faster than one by one; handles in order. Raises
        PartlySubmitted, which holds the handles of those that were accepted, and before anything is
        sent what Task.send raises for arguments."""
        drafter = self.drafter()
        submissions = [await drafter.draft(signature) for signature in signatures]
        answers = await self._submit_all(submissions)
        faults = {n: a for n, a in enumerate(answers) if isinstance(a, WarrenerError)}
        handles = [
            None if isinstance(a, WarrenerError) else self._handle(a, s.task)
            for a, s in zip(answers, signatures, strict=True)
        ]
        if faults:
            first = next(iter(faults.values()))
            facts = {"failed": len(faults), "total": len(answers), "first": str(first)}
            raise PartlySubmitted(**facts, handles=handles, faults=faults)
        return [handle for handle in handles if handle is not None]

    def send_many_sync(self, signatures: Sequence[Signature[R]]) -> list[JobHandle[R]]:
        """send_many() for code without an event loop."""
        return self.portal.run(lambda: self.send_many(signatures), "send_many_sync()")

    def job(self, job_id: str) -> JobHandle[Any]:
        """A handle on a job by its id; its result comes as plain JSON values."""
        return JobHandle(job_id, self.backend, self.portal)

    async def start(self, flow: Workflow[Any, R]) -> WorkflowHandle[R]:
        """Submit a workflow; see Workflow.send."""
        return await self._workflows.start(flow)

    def start_sync(self, flow: Workflow[Any, R]) -> WorkflowHandle[R]:
        """Submit a workflow from code without an event loop."""
        return self.portal.run(lambda: self.start(flow), "send_sync()")

    def workflow(self, workflow_id: str) -> WorkflowHandle[Any]:
        """A handle on a workflow by its id; its result comes as plain JSON values."""
        return self._workflows.handle(workflow_id)

    @property
    def _workflows(self) -> Launcher:
        from .workflows import Launcher  # an optional part

        return Launcher(self)

    def drafter(self) -> Drafter:
        """What makes jobs of calls, for one submission."""
        return Drafter(self)

    async def _submit_all(self, submissions: list[Submission]) -> Sequence[str | WarrenerError]:
        if not self._send_middleware:
            return await self.backend().submit(submissions)
        chain = compose(self._send_middleware, self._submit_one)
        answers = await asyncio.gather(*map(chain, submissions), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, WarrenerError):
                raise answer
        return cast("list[str | WarrenerError]", answers)

    async def _submit_one(self, submission: Submission) -> str:
        [answer] = await self.backend().submit([submission])
        if isinstance(answer, WarrenerError):
            raise answer
        return answer

    def _handle(self, job_id: str, task_name: str) -> JobHandle[Any]:
        task = self._tasks.get(task_name)
        decode = task.schema.decode_result if task else None
        return JobHandle(job_id, self.backend, self.portal, decode)

    # Connections ---------------------------------------------------------------------------------

    def backend(self) -> Backend:
        """What this app sends through on the running event loop; one per loop, made when needed."""
        loop = asyncio.get_running_loop()
        backend = self._backends.get(loop)
        if backend is None:
            backend = self._backends[loop] = self._make_backend()
        return backend

    def _connect(self) -> Backend:
        return Client(self.settings, self.queues)

    def use_backend(self, make: Callable[[], Backend] | None) -> None:
        """Send through something else from now on, or with None through RabbitMQ again: inside a
        worker's child process, and in tests."""
        self._make_backend = make or self._connect
        self._backends.clear()

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        backend = self._backends.pop(asyncio.get_running_loop(), None)
        if backend is not None:
            await backend.close()

    async def __aenter__(self) -> Warrener:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
