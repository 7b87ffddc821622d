"""Every error that Warrener raises, in one tree.

The docstring of an error is its message: the words in braces are filled with the facts given
where it is raised, which stay on the error as attributes.

    WarrenerError
    ├── ConfigurationError
    │   ├── AppImportError · DuplicateTask · TaskSignatureError · QueueNameError
    │   ├── TaskNameError · JobIdError · IdempotencyKeyError · CursorError
    │   ├── ScheduleError
    │   ├── TopologyMismatch · PrioritiesUnsupported · BrokerRefusedLogin
    │   └── WorkerNameTaken
    ├── SubmissionError                    .may_arrive says whether the job may still run
    │   ├── InvalidArguments · UnknownTask · InvalidDelay · InvalidPriority · PayloadTooLarge
    │   ├── QueueNotFound · ExchangeNotFound · PublishRefused · PublishTimeout
    │   ├── IdempotencyConflict · DuplicateJob
    │   └── PartlySubmitted
    ├── BrokerUnavailable                  .may_arrive, as above
    ├── StoreUnavailable
    ├── ConsumingLost                      ends a worker
    ├── QueueBusy · DeadLetterNotFound · OperationNotFound
    ├── ApiKeyNotFound · WorkerNotFound
    ├── ScheduleNotFound · ScheduleExists · ScheduleInCode
    ├── ResultError
    │   ├── JobNotFound · JobFailed · JobRevoked · ResultTimeout · ResultExpired
    │   ├── JobEnded · WaitInsideJob
    │   ├── WorkflowNotFound · WorkflowFailed · WorkflowRevoked
    │   └── WorkflowTimeout · WorkflowEnded
    ├── SyncCallOnLoop
    ├── TimeLimitExceeded · SoftTimeLimitExceeded · WorkerLost
    └── RetryLater                         raised by a task, not by Warrener
"""

from __future__ import annotations

import inspect
from typing import Any


class WarrenerError(Exception):
    """{message}"""

    may_arrive = False

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(_message(type(self), facts))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.facts))


def _message(kind: type[WarrenerError], facts: dict[str, Any]) -> str:
    if WarrenerError.__doc__ is None:
        # `python -OO` has dropped the docstrings: the bare facts, then.
        if facts.keys() == {"message"}:
            return str(facts["message"])
        return f"{kind.__name__}: {', '.join(f'{name}={facts[name]!r}' for name in facts)}"
    text = " ".join((inspect.getdoc(kind) or "").format(**facts).split())
    # Whatever was given for a name: an error can be printed.
    return text.encode("utf-8", "backslashreplace").decode()


def _rebuild(kind: type[WarrenerError], facts: dict[str, Any]) -> WarrenerError:
    return kind(**facts)


def _in_words(reason: object) -> str:
    """What others say of a fault, as the middle of a sentence of ours."""
    return str(reason).rstrip(" .") or type(reason).__name__


class ConfigurationError(WarrenerError):
    """{message}"""


class AppImportError(ConfigurationError):
    """The app {path!r} cannot be imported: {reason}. {remedy}"""

    def __init__(self, *, path: str, reason: object, remedy: str = "") -> None:
        remedy = remedy or (
            'Give it as module:attribute, from a folder in which `python -c "import module"` works.'
        )
        super().__init__(path=path, reason=_in_words(reason), remedy=remedy)


class DuplicateTask(ConfigurationError):
    """Two functions are declared as task {task!r}: give one of them another name=."""


class TaskSignatureError(ConfigurationError):
    """Task {task!r} cannot be sent: {reason}."""


class QueueNameError(ConfigurationError):
    """{queue!r} is no queue name: {reason}. Use words of letters, digits, - and _, joined by dots,
    such as scan.discovery."""


class JobIdError(ConfigurationError):
    """{job_id!r} is no job id: use 1 to 128 letters, digits and . _ : ~ -"""


class TaskNameError(ConfigurationError):
    """{task!r} is no task name: {reason}. Use 1 to 255 bytes of text without control characters, such
    as shop.mail."""


class CursorError(ConfigurationError):
    """{cursor!r} is no cursor of a listing: give the `next` of the page before as it is, or none for the
    first page."""


class IdempotencyKeyError(ConfigurationError):
    """{key!r} is no idempotency key: {reason}. Use 1 to 1,024 bytes of text that name this one job, such
    as order-17."""


class ScheduleError(ConfigurationError):
    """This schedule cannot be: {reason}. {remedy}."""


class TopologyMismatch(ConfigurationError):
    """{what} exists on the broker with {argument} = {current}, and {wanted} was asked for. RabbitMQ
    cannot change it in place: set Warrener to the existing value, or drain and delete {what} and
    declare it again with `warrener topology declare`; `warrener topology migrate` does that to a queue
    without loss."""


class PrioritiesUnsupported(ConfigurationError):
    """RabbitMQ {version} has no priorities in quorum queues: use RabbitMQ 4.0 or newer, or classic queues
    (WARRENER_QUEUE_TYPE=classic), or leave WARRENER_MAX_PRIORITY at 0."""


class BrokerRefusedLogin(ConfigurationError):
    """RabbitMQ at {url} refused the login: {reason}. Check user, password and virtual host in
    WARRENER_AMQP_URL."""

    def __init__(self, *, url: str, reason: object) -> None:
        super().__init__(url=url, reason=_in_words(reason))


class WorkerNameTaken(ConfigurationError):
    """A living worker is already called {name!r} (on {host}, process {pid}): choose another --name,
    or stop that one first."""


class SubmissionError(WarrenerError):
    """{message}"""


class InvalidArguments(SubmissionError):
    """Arguments of {task!r} do not fit its signature: {reason}."""


class UnknownTask(SubmissionError):
    """No task is called {task!r}. Known here: {known}."""


class InvalidDelay(SubmissionError):
    """The delay of {seconds} s is not possible: it must be between 0 and {limit} s."""


class InvalidPriority(SubmissionError):
    """The priority {priority} is not possible: it must be between 0 and {limit}, the WARRENER_MAX_PRIORITY
    of this process (with 0, jobs have none)."""


class PayloadTooLarge(SubmissionError):
    """The arguments of {task!r} take {size} bytes, more than the {limit} allowed: store them
    elsewhere and send a reference, or raise WARRENER_MAX_PAYLOAD_BYTES."""


class QueueNotFound(SubmissionError):
    """Queue {queue!r} does not exist on the broker, so nothing was sent or changed: start its worker
    or run `warrener topology declare`."""


class ExchangeNotFound(SubmissionError):
    """Exchange {exchange!r} does not exist on the broker, so nothing was sent: run `warrener topology
    declare` with the rights to do so, or leave declare=False out."""


class PublishRefused(SubmissionError):
    """RabbitMQ refused the job {job_id} for {queue!r} ({reason}); it was not accepted. The queue is
    full, or has no leader at the moment: look at its limits and the broker's log, and send it again."""


class PublishTimeout(SubmissionError):
    """RabbitMQ did not confirm the job {job_id} within {seconds} s. It may still arrive: send it
    again under the same id, and it runs once."""

    may_arrive = True


class IdempotencyConflict(SubmissionError):
    """The idempotency key was used for another job ({job_id}) with other arguments: choose a new
    key for a new job."""


class DuplicateJob(SubmissionError):
    """Job {job_id} of {task!r} waits or runs with the same key, and there may be only one: nothing was
    sent. Send it again once that one has ended, or look at it instead."""


class PartlySubmitted(SubmissionError):
    """{failed} of {total} jobs were not accepted; the first fault: {first} The others run: see the
    error's `handles` (None where a job was not accepted) and `faults` (by position)."""


class BrokerUnavailable(WarrenerError):
    """RabbitMQ at {url} is not available: {reason}. Check WARRENER_AMQP_URL and the server. {fate}"""

    def __init__(
        self, *, url: str, reason: object, may_arrive: bool = False, fate: str = ""
    ) -> None:
        if not fate:
            fate = (
                "The job may still arrive: send it again under the same id, and it runs once."
                if may_arrive
                else "Nothing was sent."
            )
        super().__init__(url=url, reason=_in_words(reason), fate=fate)
        self.facts = {"url": url, "reason": reason, "may_arrive": may_arrive, "fate": fate}
        self.may_arrive = may_arrive


class StoreUnavailable(WarrenerError):
    """Redis at {url} is not available: {reason}. Check WARRENER_REDIS_URL and the server."""

    def __init__(self, *, url: str, reason: object) -> None:
        super().__init__(url=url, reason=_in_words(reason))


class ConsumingLost(WarrenerError):
    """The worker has not consumed from {queues} for {seconds} s, and ends: {reason}. Jobs stay in
    RabbitMQ, and those that ran have finished or run again. Mend what is said, and start the worker
    again; WARRENER_RESTORE_DEADLINE says how long it tries."""

    def __init__(self, *, queues: str, seconds: float, reason: object) -> None:
        super().__init__(queues=queues, seconds=seconds, reason=_in_words(reason))


class QueueBusy(WarrenerError):
    """Queue {queue!r} has consumers, and going through it needs it alone: stop them, or wait until
    another replay of it has ended."""


class ApiKeyNotFound(WarrenerError):
    """No API key has the id {key_id!r}: `warrener keys list` shows those that exist."""


class ScheduleNotFound(WarrenerError):
    """No schedule is called {schedule!r}: `warrener schedules list` shows those that exist. One in code
    is known once a `warrener beat` leads."""


class ScheduleExists(WarrenerError):
    """A schedule called {schedule!r} exists already: change or remove that one, or choose another
    name."""


class ScheduleInCode(WarrenerError):
    """Schedule {schedule!r} is declared in code, where it must be changed or removed; it can be paused
    and resumed."""


class DeadLetterNotFound(WarrenerError):
    """No dead letter {letter_id!r} is listed: it was replayed or discarded, the id is wrong, or the list is
    not up to date. `warrener dead counts` compares it with the queues."""


class OperationNotFound(WarrenerError):
    """No operation {operation_id} is known: the id is wrong, or it ended more than a week ago."""


class ResultError(WarrenerError):
    """{message}"""


class WorkerNotFound(WarrenerError):
    """No living worker is called {name!r}. There are: {living}."""


class JobNotFound(ResultError):
    """No job {job_id} is known: the id is wrong, or its record has expired."""


class JobFailed(ResultError):
    """Job {job_id} failed after {attempts} attempt(s): {type}: {message}"""


class JobRevoked(ResultError):
    """Job {job_id} was revoked: {reason}"""


class ResultTimeout(ResultError):
    """Job {job_id} had not ended after {seconds} s (it is {state}); it goes on."""


class ResultExpired(ResultError):
    """Job {job_id} succeeded, but its result is no longer kept: read it sooner, or raise
    WARRENER_RESULT_TTL."""


class JobEnded(ResultError):
    """Job {job_id} has ended as {state}: there is nothing left to revoke."""


class WaitInsideJob(ResultError):
    """A job must not wait for another job's result ({job_id}): with all slots waiting, none is left
    to run what they wait for. Send a follow-up task instead."""


class WorkflowNotFound(ResultError):
    """No workflow {workflow_id} is known: the id is wrong, or it ended so long ago that it has expired."""


class WorkflowFailed(ResultError):
    """Workflow {workflow_id} failed: {cause}. Once the dead letter of what failed is replayed and succeeds,
    it goes on."""


class WorkflowRevoked(ResultError):
    """Workflow {workflow_id} was revoked."""


class WorkflowTimeout(ResultError):
    """Workflow {workflow_id} had not ended after {seconds} s ({done} of {total} tasks have); it goes on."""


class WorkflowEnded(ResultError):
    """Workflow {workflow_id} has ended as {state}: there is nothing left to revoke."""


class SyncCallOnLoop(WarrenerError):
    """{call} was called on a running event loop, which it would block: use `await` and the name
    without _sync."""


class TimeLimitExceeded(WarrenerError):
    """The job ran longer than its time limit of {seconds} s, and its process was ended."""


class SoftTimeLimitExceeded(WarrenerError):
    """The job ran longer than its soft time limit of {seconds} s."""


class WorkerLost(WarrenerError):
    """The process that ran the job ended without an answer ({reason}), {losses} time(s)."""


class RetryLater(WarrenerError):
    """The job asks to run again in {delay} s."""

    def __init__(self, delay: float) -> None:
        super().__init__(delay=delay)
        self.delay = delay

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.delay,))
