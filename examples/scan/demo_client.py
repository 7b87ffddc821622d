"""The demo's side of the HTTP API: what it asks, and the accounts it keeps of the answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import BaseModel

from examples.scan.demo_stack import STAGES, DemoFailed, until

PATIENCE = 600.0
TERMINAL = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


class Trouble(BaseModel):
    """An exception, as the API tells it."""

    type: str
    message: str


class Progress(BaseModel):
    """How far a running job says it is."""

    done: float
    note: str = ""


class JobView(BaseModel):
    """A job, as the API tells it: the part that the demo looks at."""

    id: str
    task: str | None = None
    state: str
    attempt: int = 0
    result: Any = None
    error: Trouble | None = None
    progress: Progress | None = None

    @property
    def ended(self) -> bool:
        """Whether this is how it stays."""
        return self.state in TERMINAL


class DeadLetter(BaseModel):
    """A job that was given up, and why."""

    id: str
    job_id: str | None = None
    task: str | None = None
    reason: str
    type: str
    message: str


class QueueView(BaseModel):
    """A queue and how much is in it."""

    name: str
    ready: int
    consumers: int
    dead: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of all the jobs; `retried` are those that ran again after an error."""

    submitted: int
    succeeded: int
    retried: int
    dead_lettered: int
    replayed: int
    lost: int

    def rows(self) -> list[tuple[str, int]]:
        """Name and number of each, in the order they are told."""
        names = ("submitted", "succeeded", "retried", "dead_lettered", "replayed", "lost")
        return [(name.replace("_", "-"), getattr(self, name)) for name in names]

    def __str__(self) -> str:
        return " ".join(f"{name}={number}" for name, number in self.rows())


@dataclass(slots=True)
class Api:
    """The calls of the demo. Every job that an answer mentions is remembered in `jobs`."""

    http: httpx.Client
    check: Callable[[], None]
    jobs: dict[str, JobView] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)

    def wait_until_ready(self) -> None:
        """Wait for the API and for a worker on each queue; raises DemoFailed."""
        until("the API gets ready", self._ready)
        until("a worker consumes each queue", self._consumed)

    def submit(self, task: str, key: str | None = None, **kwargs: Any) -> JobView:
        """Submit a job; with the same `key` it is the same job."""
        headers = {"Idempotency-Key": key} if key else {}
        body = {"task": f"examples.scan.tasks.{task}", "kwargs": kwargs}
        return self._note(self._ask("POST", "/jobs", json=body, headers=headers))

    def job(self, job_id: str, wait: float = 0.0) -> JobView:
        """Look at a job; with `wait`, as soon as it ends or after so many seconds."""
        return self._note(self._ask("GET", f"/jobs/{job_id}", params={"wait": wait}))

    def succeed(self, job_id: str, show: Callable[[JobView], None] | None = None) -> JobView:
        """Wait until a job has succeeded, and `show` it every second until then.

        Raises DemoFailed if it ends in any other way, or not within ten minutes.
        """

        def ended() -> JobView | None:
            job = self.job(job_id, wait=1.0)
            if show:
                show(job)
            return job if job.ended else None

        job = until(f"job {job_id} ends", ended, PATIENCE)
        if job.state != "SUCCESS":
            why = f"{job.error.type}: {job.error.message}" if job.error else "no error recorded"
            raise DemoFailed(f"job {job.id} ended {job.state} ({why})")
        return job

    def dead_letters(self, queue: str) -> list[DeadLetter]:
        """The dead letters of a queue."""
        answer = self._ask("GET", f"/dead-letters/{queue}", params={"size": 1000})
        return [DeadLetter.model_validate(item) for item in answer["items"]]

    def replay(self, queue: str) -> int:
        """Send all dead letters of a queue to work again; returns how many there were."""
        operation = self._ask("POST", f"/dead-letters/{queue}/replay", json={"all": True})

        def ended() -> Any:
            found = self._ask("GET", f"/operations/{operation['id']}", params={"wait": 5})
            return found if found["finished"] else None

        return int(until("the replay ends", ended, PATIENCE)["done"])

    def queues(self) -> list[QueueView]:
        """The queues of the scanner."""
        names = {f"scan.{stage}" for stage in STAGES}
        queues = [QueueView.model_validate(item) for item in self._ask("GET", "/queues")]
        return [queue for queue in queues if queue.name in names]

    def count(self, dead_lettered: int, replayed: int) -> Counts:
        """Look at every job once more, and add up."""
        final = [self.job(job_id) for job_id in list(self.jobs)]
        # A report that runs again has only waited for analyses, which is no error.
        retried = [job for job in final if self.attempts[job.id] > 1 and not _is_report(job)]
        return Counts(
            submitted=len(final),
            succeeded=sum(job.state == "SUCCESS" for job in final),
            retried=len(retried),
            dead_lettered=dead_lettered,
            replayed=replayed,
            lost=sum(not job.ended for job in final),
        )

    def _ready(self) -> bool:
        self.check()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _consumed(self) -> bool:
        self.check()
        return sum(queue.consumers > 0 for queue in self.queues()) == len(STAGES)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        self.check()
        answer = self.http.request(method, path, **options)
        if answer.is_error:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def _note(self, answer: Any) -> JobView:
        job = JobView.model_validate(answer)
        self.jobs[job.id] = job
        self.attempts[job.id] = max(job.attempt, self.attempts.get(job.id, 0))
        return job


def _is_report(job: JobView) -> bool:
    return job.task is not None and job.task.endswith(".report")
